-- A run's lists without some users and items, the ranks closed up.
-- Inputs:  $lists (recommendations.parquet); $users, $items, texts.
-- Output:  the columns of the file, in its order; a reason_item_id that is left out becomes null.
-- Grain:   one row per user and rank.
select * replace (
    (row_number() over (partition by user_id order by rank))::integer as rank,
    case when not list_contains($items::text[], reason_item_id::text) then reason_item_id end as reason_item_id
)
from read_parquet($lists)
where not list_contains($users::text[], user_id::text) and not list_contains($items::text[], item_id::text)
order by user_id, rank;
