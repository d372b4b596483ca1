-- The explicit ratings as given, the latest of each pair.
-- Inputs:  temp view windowed_ratings; temp user_map, item_map.
-- Output:  row_idx, column_idx, value, sorted by both indices.
-- Grain:   one row per rated pair.
select user_idx as row_idx, item_idx as column_idx, rating::float as value
from windowed_ratings
join user_map using (user_id)
join item_map using (item_id)
where rating is not null
order by user_idx, item_idx;
