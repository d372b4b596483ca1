-- The listed items that the user went on to like.
-- Inputs:  temp judged_lists, judged_users, later_positives.
-- Output:  user_row, rank, model (the one that placed the row), sorted by user_row and rank.
-- Grain:   one row per hit.
select user_row, rank, model
from judged_lists
join judged_users using (user_row)
semi join later_positives using (user_id, item_id)
order by user_row, rank;
