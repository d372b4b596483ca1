-- Counts the items of each user's list, and how many it should have.
-- Inputs:  temp view published_recommendations, temp tables seen_pairs and linked_users (checks/published_lists.sql); temp
--          table item_status (checks/item_status.sql); $n, the length of a full list; $exclude_seen.
-- Output:  temp table user_lists: user_id; is_unknown: this user has no interaction, and no link with a user who has one;
--          owed and at_most: the shortest and the longest that the list may be; given: how long it is; seen_items: how
--          many of its items the user has seen, 0 unless $exclude_seen.
-- Grain:   one row per user with an interaction, such a link or a list.
-- The lengths that a list may have come from the clean tables alone, never from the published lists. Every allowed item
-- with an interaction can complete a list, so each list holds n of those that its user has not seen, or all of them. A
-- list may be longer than that by items without interactions, if they have genres or attributes, and by pinned ones.
create or replace temp table user_lists as
with there_is as (
    select
        count(*) filter (is_touched and is_allowed) as touched,
        count(*) filter ((is_touched or is_described) and is_allowed or is_pinned) as listable
    from item_status
    where not is_blocked
),
known as (
    select
        user_id,
        count(*) filter ($exclude_seen and not is_blocked and is_allowed) as seen,
        count(*) filter ($exclude_seen and not is_blocked and (is_allowed or is_pinned)) as seen_or_pinned
    from seen_pairs
    join item_status using (item_id)
    group by user_id
    union all
    select user_id, 0, 0 from linked_users
),
owed as (
    select user_id, least($n, touched - seen) as items, least($n, listable - seen_or_pinned) as at_most
    from known
    cross join there_is
),
given as (
    select
        published_recommendations.user_id,
        count(*) as items,
        count(seen_pairs.user_id) filter ($exclude_seen) as seen_items
    from published_recommendations
    left join seen_pairs
        on
            seen_pairs.user_id = published_recommendations.user_id
            and seen_pairs.item_id = published_recommendations.item_id
    group by published_recommendations.user_id
)
select
    user_id,
    owed.user_id is null as is_unknown,
    coalesce(owed.items, 0) as owed,
    owed.at_most,
    coalesce(given.items, 0) as given,
    coalesce(given.seen_items, 0) as seen_items
from owed
full join given using (user_id);
