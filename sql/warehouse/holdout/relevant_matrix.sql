-- The relevant items of the users of holdout/judged_users.sql, in the same order.
-- Inputs:  temp relevant; $with_history and $touched as there.
-- Output:  row_idx (the user's position there), column_idx (item_idx), value (always 1), sorted by both indices.
-- Grain:   one row per pair.
select
    (dense_rank() over (order by user_id) - 1)::integer as row_idx,
    item_idx as column_idx,
    1::float as value
from relevant
where (user_idx is not null) = $with_history and is_touched = $touched and item_idx is not null
order by row_idx, column_idx;
