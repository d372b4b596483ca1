-- The items that are on most users' lists, and the share of users who have them.
-- Inputs:  recommendations, items; `top`, the number of ranks of each list that count; `n`, the number of items.
-- Output:  item_id, title, users, share_of_users (0 to 1); most recommended first.
-- Grain:   one row per item, at most `n`.
with listed as (
    select item_id, count(*) as users
    from recommendations
    where rank <= :top
    group by item_id
),
everybody as (
    select count(*) as users from recommendations where rank = 1
)
select
    listed.item_id,
    items.title,
    listed.users,
    cast(listed.users as double precision) / everybody.users as share_of_users
from listed
cross join everybody
left join items on items.item_id = listed.item_id
order by listed.users desc, listed.item_id
limit :n;
