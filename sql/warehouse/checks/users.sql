-- Does every user get what is owed: a list of n, or of all there is, of items not seen before.
-- Inputs:  temp view published_recommendations, temp table seen_pairs (checks/published_lists.sql); temp table item_status
--          (checks/item_status.sql); $n, the length of a full list; $exclude_seen.
-- Output:  one row, one column per check. user_coverage is a share of the users with an interaction; the others count.
-- What is owed comes from the clean tables alone, never from what is published: every allowed item that anybody touched
-- can complete a list, so each list holds n of those that its user has not seen, or all of them. A user who is owed
-- nothing is covered. A list may be longer than what is owed by items that nobody touched, if they have genres, and by
-- pinned ones.
with there_is as (
    select
        count(*) filter (is_touched and is_allowed) as touched,
        count(*) filter ((is_touched or is_described) and is_allowed or is_pinned) as listable
    from item_status
    where not is_blocked
),
owed as (
    select
        user_id,
        count(*) filter ($exclude_seen and not is_blocked and is_allowed) as seen,
        count(*) filter ($exclude_seen and not is_blocked and (is_allowed or is_pinned)) as seen_or_pinned,
        least($n, any_value(touched) - seen) as items,
        least($n, any_value(listable) - seen_or_pinned) as at_most
    from seen_pairs
    join item_status using (item_id)
    cross join there_is
    group by user_id
),
given as (
    select user_id, count(*) as items from published_recommendations group by user_id
),
users as (
    select
        owed.user_id is null as is_unknown,
        coalesce(owed.items, 0) as owed,
        owed.at_most,
        coalesce(given.items, 0) as given
    from owed
    full join given using (user_id)
)
select
    (select count(*) from published_recommendations) as rows,
    coalesce(avg((given > 0 or owed = 0)::double) filter (not is_unknown), 1) as user_coverage,
    count(*) filter (given between 1 and owed - 1) as short_lists,
    count(*) filter (given > at_most) as long_lists,
    (select count(*) from published_recommendations semi join seen_pairs using (user_id, item_id) where $exclude_seen)
        as seen_items,
    count(*) filter (is_unknown) as unknown_users
from users;
