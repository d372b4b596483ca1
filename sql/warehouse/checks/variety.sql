-- Are the lists of different users different, and do they reach into the catalogue.
-- Inputs:  temp view published_recommendations, temp table seen_pairs (checks/published_lists.sql); temp table item_status
--          (checks/item_status.sql); $top, how many ranks of a list are looked at; $exclude_seen; $min_users.
-- Output:  one row, one column per check. catalogue_coverage is the share of the items that anybody touched, and that
--          rules and genres allow, that stand in some list, or of the rows where these are fewer. sameness is the share
--          of those who could have an item that do have it, as a mean over the rows of the lists' tops: 1 where all have
--          the same, and null where too few users have a choice.
-- Who has seen all but a few items has no choice, and what popularity or an editor's rule placed is the same for everybody
-- on purpose: all that is left out of sameness.
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
