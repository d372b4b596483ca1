-- The time of the newest interaction, or of the deletion of one, and the numbers of users and items with an interaction.
-- Inputs:  ratings, tags, events.
-- Output:  newest_interaction, n_users, n_items.
-- Grain:   one row.
with interactions as (
    select user_id, item_id, rated_at as moment, superseded_at from ratings
    union all
    select user_id, item_id, tagged_at, superseded_at from tags
    union all
    select user_id, item_id, happened_at, superseded_at from events
)
select
    max(coalesce(superseded_at, moment)) as newest_interaction,
    count(distinct user_id) filter (superseded_at is null) as n_users,
    count(distinct item_id) filter (superseded_at is null) as n_items
from interactions;
