-- The relevant items of the users without history, each user's in the order in which they were met: the first of them
-- are given to the models, which then look for the others.
-- Inputs:  temp relevant (holdout/relevant.sql).
-- Output:  row_idx (the user's position in holdout/judged_users.sql), item_idx; sorted by user, the time of the pair's
--          first interaction, and item_idx.
-- Grain:   one row per pair.
select (dense_rank() over (order by user_id) - 1)::integer as row_idx, item_idx
from relevant
where user_idx is null and is_touched
order by row_idx, met_at, item_idx;
