-- The interactions of all kinds before a moment.
-- Inputs:  ratings, tags, events; placed_at (split/place_by_time.sql or place_by_chance.sql).
-- Output:  temp macro interactions_before(moment): user_id, item_id, happened_at (their place in the order of the split).
-- Grain:   one row per rating (superseded ones too), tag and event.
create or replace temp macro interactions_before(moment) as table
    select user_id, item_id, placed_at(user_id, item_id, rated_at) as happened_at
    from ratings
    where rated_at < moment::timestamp
    union all
    select user_id, item_id, placed_at(user_id, item_id, tagged_at) as happened_at
    from tags
    where tagged_at < moment::timestamp
    union all
    select user_id, item_id, placed_at(user_id, item_id, happened_at) as happened_at
    from events
    where happened_at < moment::timestamp;
