-- The positive pairs.
-- Inputs:  positives; temp user_map, item_map; $relevant_rating, $positive_tags, $positive_events.
-- Output:  row_idx, column_idx, value (always 1), sorted by both indices.
-- Grain:   one row per positive pair.
select user_idx as row_idx, item_idx as column_idx, 1::float as value
from positives($relevant_rating, $positive_tags, $positive_events)
join user_map using (user_id)
join item_map using (item_id)
order by user_idx, item_idx;
