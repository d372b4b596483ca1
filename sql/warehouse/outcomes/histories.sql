-- The length of every user's history before the window, by which users are divided into classes.
-- Inputs:  temp first_met, judged_users; $since.
-- Output:  n_met (number of items met before), user_row (null for users who are not judged).
-- Grain:   one row per user with an interaction before $since.
select n_met, user_row
from (select user_id, count(*) as n_met from first_met where met_at < $since::timestamp group by user_id)
left join judged_users using (user_id);
