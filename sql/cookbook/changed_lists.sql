-- The users whose list changed since the previous run, and how many of its items are new.
-- Inputs:  recommendations, previous_recommendations; `top`, the number of ranks of each list that count.
-- Output:  user_id, new_items, first_new_rank; most new items first. Users without an earlier list are left out.
-- Grain:   one row per user with at least one new item.
with earlier as (
    select user_id, item_id from previous_recommendations where rank <= :top
),
latest as (
    select user_id, item_id, rank
    from recommendations
    where rank <= :top and user_id in (select user_id from earlier)
)
select latest.user_id, count(*) as new_items, min(latest.rank) as first_new_rank
from latest
left join earlier on earlier.user_id = latest.user_id and earlier.item_id = latest.item_id
where earlier.item_id is null
group by latest.user_id
order by new_items desc, latest.user_id;
