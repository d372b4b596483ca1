-- How far the interactions reach.
-- In:  ratings, tags, events. Out: one row (newest_interaction, n_users, n_items); items with an interaction only.
with interactions as (
    select user_id, item_id, rated_at as moment from ratings
    union all
    select user_id, item_id, tagged_at from tags
    union all
    select user_id, item_id, happened_at from events
)
select max(moment) as newest_interaction, count(distinct user_id) as n_users, count(distinct item_id) as n_items
from interactions;
