-- The items that most users find on their lists, and the share of users that do.
-- Inputs:  recommendations, items; `top`, how far down each list to look; `n`, how many items.
-- Output:  item_id, title, users, share_of_users; most recommended first.
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
