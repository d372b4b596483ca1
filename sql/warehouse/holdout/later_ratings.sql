-- The ratings on which rating predictions are evaluated: given at or after the user's cutoff, to items with which the
-- user had no interaction before and somebody else had.
-- Inputs:  temp view windowed_ratings over the windows after the cutoffs; temp newly_met, halves (holdout/newly_met.sql);
--          $users_path and $items_path, the snapshot's id maps.
-- Output:  user_idx, item_idx, rating, half (0 select or 1 report), sorted by both indices; users without history are
--          left out.
-- Grain:   one row per pair, with its latest rating.
select user_idx, item_idx, rating::float as rating, half
from windowed_ratings
semi join newly_met using (user_id, item_id)
join halves using (user_id)
join (select user_id, user_idx from read_parquet($users_path) where is_touched) using (user_id)
join (select item_id, item_idx from read_parquet($items_path) where is_touched) using (item_id)
where rating is not null
order by user_idx, item_idx;
