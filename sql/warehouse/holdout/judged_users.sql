-- The users with a relevant item: either those with interactions before their cutoff, or those without.
-- Inputs:  temp relevant; $with_history, true or false; $touched, whether items with an interaction before the cutoffs
--          count as relevant, or those without one that the snapshot knows.
-- Output:  user_idx (null without history), half; in the order of the ids.
-- Grain:   one row per user.
select any_value(user_idx) as user_idx, any_value(half) as half
from relevant
where (user_idx is not null) = $with_history and is_touched = $touched and item_idx is not null
group by user_id
order by user_id;
