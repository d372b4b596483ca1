-- The time of the newest interaction, and the numbers of users and items with an interaction.
-- Inputs:  ratings, tags, events.
-- Output:  newest_interaction, n_users, n_items.
-- Grain:   one row.
with interactions as (
    select user_id, item_id, rated_at as moment from ratings
    union all
    select user_id, item_id, tagged_at from tags
    union all
    select user_id, item_id, happened_at from events
)
select max(moment) as newest_interaction, count(distinct user_id) as n_users, count(distinct item_id) as n_items
from interactions;
