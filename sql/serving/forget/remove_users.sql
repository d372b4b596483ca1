-- Removes the lists of forgotten users from one run.
-- Inputs:  {lists}, a run's table of recommendations; forgotten_users (user_id).
-- Output:  their rows are deleted.
delete from {lists}
where user_id in (select user_id from forgotten_users);
