-- Measures how alike the lists of different users are, and the share of the catalogue that they show.
-- Inputs:  temp view published_recommendations, temp table seen_pairs (checks/published_lists.sql); temp table item_status
--          (checks/item_status.sql); $top, how many ranks of a list are looked at; $exclude_seen; $min_users.
-- Output:  temp table variety:
--          catalogue_coverage: the items that are on some list, divided by the items with an interaction that rules
--          and genres allow, or by the rows of the lists where these are fewer;
--          sameness: the share of eligible users whose first $top items hold the item, as a mean over the rows of the
--          lists' tops. 1 where all have the same; null where fewer than $min_users users have a choice.
-- Grain:   one row.
-- Left out of sameness are users who have seen all but a few items, because they have no choice, and items that popularity
-- or an editor's rule placed, which are the same for everybody on purpose.
create or replace temp table variety as
with seen as (
    select user_id, count(*) filter ($exclude_seen) as items from seen_pairs group by user_id
),
choosers as (
    select user_id
    from seen
    where (select count(distinct item_id) from seen_pairs) - items >= 3 * $top
),
tops as (
    select user_id, item_id
    from published_recommendations
    semi join choosers using (user_id)
    where rank <= $top and model not in ('popularity', 'pinned')
),
having_it as (
    select item_id, count(*) as users from tops group by item_id
),
barred as (
    select item_id, count(*) filter ($exclude_seen) as users
    from seen_pairs
    semi join choosers using (user_id)
    group by item_id
),
shares as (
    select
        having_it.users as having_it,
        having_it.users / ((select count(*) from choosers) - coalesce(barred.users, 0)) as share
    from having_it
    left join barred using (item_id)
)
select
    count(distinct item_id) / nullif(
        least((select count(*) from item_status where is_touched and is_allowed and not is_blocked), count(*)), 0
    )
        as catalogue_coverage,
    (
        select sum(having_it * share) / sum(having_it)
        from shares
        where (select count(distinct user_id) from tops) >= $min_users
    ) as sameness
from published_recommendations;
