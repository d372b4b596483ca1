-- The catalogue of a run's lists without some items.
-- Inputs:  $lists (items.parquet); $items, texts.
-- Output:  the columns of the file.
-- Grain:   one row per item.
from read_parquet($lists)
where not list_contains($items::text[], item_id::text)
order by item_id;
