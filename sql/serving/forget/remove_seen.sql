-- Removes what forgotten users have seen since the lists were made.
-- Inputs:  seen_since; forgotten_users (user_id).
-- Output:  their rows are deleted.
delete from seen_since
where user_id in (select user_id from forgotten_users);
