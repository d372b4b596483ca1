-- A run's similar items without some items, the ranks closed up.
-- Inputs:  $lists (similar_items.parquet); $items, texts.
-- Output:  the columns of the file.
-- Grain:   one row per item and rank.
select * replace ((row_number() over (partition by item_id order by rank))::integer as rank)
from read_parquet($lists)
where not list_contains($items::text[], item_id::text) and not list_contains($items::text[], similar_item_id::text)
order by item_id, rank;
