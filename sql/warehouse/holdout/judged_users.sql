-- The users with a relevant item: either those with interactions before their cutoff, or those without.
-- Inputs:  temp relevant; $with_history, true or false; $touched, whether items with an interaction before the cutoffs
--          count as relevant, or those without one that the snapshot knows.
-- Output:  user_idx (without history: untouched_idx, or −1 where the snapshot has no row of the user), half; in the
--          order of the ids.
-- Grain:   one row per user.
select coalesce(any_value(user_idx), any_value(untouched_idx), -1)::integer as user_idx, any_value(half) as half
from relevant
where (user_idx is not null) = $with_history and is_touched = $touched and item_idx is not null
group by user_id
order by user_id;
