-- A cutoff for each user, so that the user's newest interactions lie at or after it.
-- Inputs:  interactions_before; $as_of, exclusive; $n newest interactions or, if $n is 0, the newest $share.
-- Output:  temp cutoffs (user_id, cutoff timestamp); as_of if all interactions of the user have one timestamp.
-- Grain:   one row per user with any interaction before as_of. Interactions with the timestamp of the cutoff are held
--          out together; if nothing would be left before it, they stay together and the next timestamp is the cutoff.
create or replace temp table cutoffs as
with moments as (
    select user_id, happened_at, count(*) as interactions
    from interactions_before($as_of)
    group by user_id, happened_at
),
held_out_from_each_moment as (
    select
        user_id,
        happened_at,
        sum(interactions) over (partition by user_id order by happened_at desc) as held_out,
        sum(interactions) over (partition by user_id) as total
    from moments
)
select
    user_id,
    coalesce(
        max(happened_at) filter (
            where held_out >= case when $n > 0 then $n else $share::decimal(18, 9) * total end
            and held_out < total
        ),
        min(happened_at) filter (where held_out < total),
        $as_of::timestamp
    ) as cutoff
from held_out_from_each_moment
group by user_id;
