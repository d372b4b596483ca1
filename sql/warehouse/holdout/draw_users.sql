-- Draws the users to judge where there are more than the night judges. The draw depends on a user's id and the seed alone, and
-- not on the half, so that nearly the same users are judged every night.
-- Inputs:  temp relevant, halves; $seed; $max_users, of those with history, and as many of those without.
-- Outputs: relevant and halves, without the users who were not drawn; temp not_drawn (user_id, has_history).
-- Grain:   unchanged; not_drawn one row per such user.
create or replace temp table not_drawn as
select user_id, has_history
from (select user_id, user_idx is not null as has_history from relevant group by all)
qualify
    row_number() over (
        partition by has_history order by md5_number_upper($seed::text || ':' || user_id::text), user_id
    ) > $max_users;

delete from relevant where user_id in (select user_id from not_drawn);
delete from halves where user_id in (select user_id from not_drawn);
