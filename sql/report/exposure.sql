-- Counts the users' lists that hold each item.
-- Inputs:  $lists, the recommendations.parquet of a run; $items, the items.parquet of the snapshot behind it.
-- Output:  places, in the order of item_idx; 0 where nobody is recommended the item.
-- Grain:   one row per item of the snapshot.
with listed as (
    select item_id, count(*) as places from read_parquet($lists) group by item_id
)
select coalesce(places, 0) as places
from read_parquet($items) as items
left join listed using (item_id)
order by items.item_idx;
