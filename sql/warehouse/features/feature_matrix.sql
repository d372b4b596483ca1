-- The item features as matrix entries; a feature's column is its position in the order of names.
-- Inputs:  temp item_features.
-- Output:  row_idx, column_idx, value, sorted by both indices.
-- Grain:   one row per item and feature.
select
    item_idx as row_idx,
    (dense_rank() over (order by feature) - 1)::integer as column_idx,
    times::float as value
from item_features
order by row_idx, column_idx;
