-- Does every user get what is owed: a list of n, or of all there is, of items not seen before.
-- Inputs:  temp views and table of 90_published_lists.sql; $n, the length of a full list; $exclude_seen.
-- Output:  one row, one column per check. user_coverage is a share of the users with an interaction; the others count.
-- An item is available when popularity ranks it: it completes every list, so a list may be short only for want of
-- available items. A user for whom none is left is covered without a list.
with available as (
    select item_id from published_fallback
    union
    select item_id from published_recommendations where model = 'popularity'
),
already_seen as (
    select user_id, count(*) as items
    from seen_pairs
    semi join available using (item_id)
    where $exclude_seen
    group by user_id
),
owed as (
    select user_id, least($n, (select count(*) from available) - coalesce(any_value(already_seen.items), 0)) as items
    from seen_pairs
    left join already_seen using (user_id)
    group by user_id
),
given as (
    select user_id, count(*) as items from published_recommendations group by user_id
),
users as (
    select
        owed.user_id is null as is_unknown,
        coalesce(owed.items, 0) as owed,
        coalesce(given.items, 0) as given
    from owed
    full join given using (user_id)
)
select
    (select count(*) from published_recommendations) as rows,
    coalesce(avg((given > 0 or owed = 0)::double) filter (not is_unknown), 1) as user_coverage,
    count(*) filter (given between 1 and owed - 1) as short_lists,
    count(*) filter (given > $n) as long_lists,
    (select count(*) from published_recommendations semi join seen_pairs using (user_id, item_id) where $exclude_seen)
        as seen_items,
    count(*) filter (is_unknown) as unknown_users
from users;
