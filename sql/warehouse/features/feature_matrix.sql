-- Features as matrix entries; a feature's column is its position in the order of names.
-- Inputs:  temp features (row_idx, feature, times).
-- Output:  row_idx, column_idx, value, sorted by both indices.
-- Grain:   one row per row and feature.
select
    row_idx,
    (dense_rank() over (order by feature) - 1)::integer as column_idx,
    times::float as value
from features
order by row_idx, column_idx;
