-- A cutoff for each user, at or after which the newest interactions of that user lie.
-- Inputs:  interactions_before; $as_of, exclusive; $n newest interactions or, where $n is 0, the newest
--          $share.
-- Output:  temp cutoffs (user_id, cutoff timestamp); as_of where the user cannot keep one and give one.
-- Grain:   one row per user with any interaction before as_of. What shares the boundary's timestamp is held
--          out together; if nothing would be left before it, it stays together and the next timestamp is the
--          cutoff.
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
