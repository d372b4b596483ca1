-- The shares of user and item ids before a moment that are plain 64-bit integers: by them a first night chooses the types
-- of ids.
-- Inputs:  ratings, tags, events, whose ids are text or integers; $as_of, exclusive.
-- Output:  user_share, item_share; null if there is no interaction.
-- Grain:   one row.
with ids as (
    select user_id, item_id from ratings where rated_at < $as_of::timestamp
    union all
    select user_id, item_id from tags where tagged_at < $as_of::timestamp
    union all
    select user_id, item_id from events where happened_at < $as_of::timestamp
)
select
    avg((try_cast(user_id as bigint)::text = user_id::text)::integer) as user_share,
    avg((try_cast(item_id as bigint)::text = item_id::text)::integer) as item_share
from ids;
