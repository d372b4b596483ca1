-- What models of the rating are judged on: the ratings that users gave at or after their cutoffs, to items that they
-- had not met before and that somebody else had.
-- Inputs:  temp view windowed_ratings over the windows after the cutoffs; seen_before, half_of; $as_of; $seed;
--          $users_path and $items_path, the snapshot's id maps.
-- Output:  user_idx, item_idx, rating, half (0 select or 1 report), sorted by both indices. Users without history are
--          not among them.
-- Grain:   one row per pair: the latest rating.
select user_idx, item_idx, rating::float as rating, half_of(user_id, $seed) as half
from windowed_ratings
anti join seen_before($as_of) using (user_id, item_id)
join read_parquet($users_path) using (user_id)
join (select item_id, item_idx from read_parquet($items_path) where is_touched) using (item_id)
order by user_idx, item_idx;
