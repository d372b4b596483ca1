-- Counts the users that a split can evaluate: with history before their cutoff and positives after it.
-- Inputs:  temp cutoffs; interactions_before; positives over the windows after the cutoffs; $as_of;
--          $relevant_rating, $positive_tags, $positive_events.
-- Output:  users, with_history, with_future (any interaction at or after the cutoff), judgeable.
-- Grain:   one row.
with activity as (
    select
        user_id,
        min(happened_at) < any_value(cutoff) as has_history,
        max(happened_at) >= any_value(cutoff) as has_future
    from interactions_before($as_of)
    join cutoffs using (user_id)
    group by user_id
),
users_with_positives as (
    select distinct user_id from positives($relevant_rating, $positive_tags, $positive_events)
)
select
    count(*) as users,
    count(*) filter (where has_history) as with_history,
    count(*) filter (where has_future) as with_future,
    count(*) filter (where has_history and user_id in (from users_with_positives)) as judgeable
from activity;
