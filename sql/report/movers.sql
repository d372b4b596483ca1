-- The items whose number of users changed most between two runs.
-- Inputs:  $lists and $earlier, the recommendations.parquet of two runs; $top, how far down each list to look;
--          $catalogue, an items.parquet with titles; $n, how many items.
-- Output:  item_id, title; was and now, the number of users whose first $top items hold it, in the earlier and in the
--          later run; the greatest changes first.
-- Grain:   one row per item.
with tonight as (
    select item_id, count(*) as users from read_parquet($lists) where rank <= $top group by item_id
),
before as (
    select item_id, count(*) as users from read_parquet($earlier) where rank <= $top group by item_id
),
changed as (
    select item_id, coalesce(before.users, 0) as was, coalesce(tonight.users, 0) as now
    from tonight
    full join before using (item_id)
)
select item_id, catalogue.title, was, now
from changed
left join read_parquet($catalogue) as catalogue using (item_id)
where was <> now
order by abs(now - was) desc, item_id
limit $n;
