-- The links that are visible when the windows of both their users close. Links without a time are visible in every window.
-- Inputs:  links; link_placed_at (split/place_by_time.sql or place_by_chance.sql); temp windows (split/windows.sql);
--          $cutoff, that of users without an interaction, who have no window.
-- Output:  temp table windowed_links (user_id, friend_id, weight).
-- Grain:   one row per link and direction: a mutual link has two.
create or replace temp table windowed_links as
with closing as (
    select
        links.*,
        least(coalesce(own.until_at, $cutoff::timestamp), coalesce(friends.until_at, $cutoff::timestamp)) as until_at
    from links
    left join windows as own on own.user_id = links.user_id
    left join windows as friends on friends.user_id = links.friend_id
),
visible as (
    from closing
    where
        (linked_at is null or link_placed_at(linked_at) < until_at)
        and (superseded_at is null or link_placed_at(superseded_at) >= until_at)
)
select user_id, friend_id, weight
from visible
union all
select friend_id, user_id, weight
from visible
where is_mutual;
