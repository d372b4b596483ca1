-- All pairs with an interaction of any kind, with the time of the latest.
-- Inputs:  temp view windowed_interactions; temp user_map, item_map.
-- Output:  row_idx, column_idx, value (Unix seconds), sorted by both indices.
-- Grain:   one row per pair.
select user_idx as row_idx, item_idx as column_idx, floor(epoch(max(happened_at)))::bigint as value
from windowed_interactions
join user_map using (user_id)
join item_map using (item_id)
group by user_idx, item_idx
order by user_idx, item_idx;
