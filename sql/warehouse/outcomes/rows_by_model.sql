-- How many rows of each judged list each model placed.
-- Inputs:  temp judged_lists.
-- Output:  user_row, model, n_rows, sorted by user_row and model.
-- Grain:   one row per user and model with a row in the user's list.
select user_row, model, count(*) as n_rows
from judged_lists
group by user_row, model
order by user_row, model;
