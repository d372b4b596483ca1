-- The held-out pairs whose user and item an earlier snapshot knows: a fit on that snapshot may have seen them.
-- Inputs:  temp cutoffs; interactions_before; $as_of, exclusive;
--          $users_path and $items_path, the id maps of the earlier snapshot.
-- Output:  user_idx, item_idx of the earlier snapshot, sorted by both.
-- Grain:   one row per pair with an interaction of any kind at or after the user's cutoff and none before it.
with timed as (
    select user_id, item_id, happened_at < cutoff as is_before
    from interactions_before($as_of)
    join cutoffs using (user_id)
),
held_out as (
    select user_id, item_id
    from timed
    group by user_id, item_id
    having not bool_or(is_before)
)
select user_idx, item_idx
from held_out
join read_parquet($users_path) using (user_id)
join read_parquet($items_path) using (item_id)
order by user_idx, item_idx;
