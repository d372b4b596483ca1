-- A run's fallback lists without some items, the ranks closed up.
-- Inputs:  $lists (fallback_recommendations.parquet); $items, texts.
-- Output:  the columns of the file.
-- Grain:   one row per segment and rank.
select * replace ((row_number() over (partition by segment order by rank))::integer as rank)
from read_parquet($lists)
where not list_contains($items::text[], item_id::text)
order by segment, rank;
