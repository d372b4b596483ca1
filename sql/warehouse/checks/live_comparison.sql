-- Compares tonight's lists with the live ones: the items and the users that they share.
-- Inputs:  temp view published_recommendations (checks/published_lists.sql); live_lists (user_id, item_id), the first $top
--          rows of each live list, empty where there is nothing to compare with; $top; $min_users.
-- Output:  temp table live_comparison: overlap: the share of the tops' items that two lists of one user share, as a mean
--          over the users of both; lost_users: the share of the users with a live list that get none tonight. Null where
--          fewer than $min_users users can be compared.
-- Grain:   one row.
create or replace temp table live_comparison as
with tonight as (
    select user_id, item_id from published_recommendations where rank <= $top
),
given as (
    select user_id, count(*) as items from tonight group by user_id
),
live as (
    select user_id, count(*) as items from live_lists group by user_id
),
common as (
    select user_id, count(*) as items from tonight semi join live_lists using (user_id, item_id) group by user_id
),
compared as (
    select
        given.items is null as is_lost,
        coalesce(common.items, 0) / least(live.items, given.items) as overlap
    from live
    left join given using (user_id)
    left join common using (user_id)
)
select
    case when count(*) filter (not is_lost) >= $min_users then avg(overlap) filter (not is_lost) end as overlap,
    case when count(*) >= $min_users then avg(is_lost::integer) end as lost_users
from compared;
