-- All interactions of any kind with their times; the last row of a pair has the time of its latest.
-- Inputs:  temp view windowed_interactions; temp user_map, item_map.
-- Output:  row_idx, column_idx, value (Unix seconds), sorted by all three.
-- Grain:   one row per interaction. To group them by pair here would take twice as long as to sort them: the reader keeps
--          the last row of each.
select user_idx as row_idx, item_idx as column_idx, floor(epoch(happened_at))::bigint as value
from windowed_interactions
join user_map using (user_id)
join item_map using (item_id)
order by row_idx, column_idx, value;
