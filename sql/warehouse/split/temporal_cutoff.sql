-- The moment at or after which the newest share of all interactions lies.
-- Inputs:  interactions_before; $as_of, exclusive; $share between 0 and 1.
-- Output:  cutoff, null if all interactions have one timestamp and nothing can be held out.
-- Grain:   one row. Interactions with the timestamp of the cutoff are held out together; if nothing would be left
--          before it, they stay together and the next timestamp is the cutoff.
with moments as (
    select happened_at, count(*) as interactions
    from interactions_before($as_of)
    group by happened_at
),
held_out_from_each_moment as (
    select
        happened_at,
        sum(interactions) over (order by happened_at desc) as held_out,
        sum(interactions) over () as total
    from moments
)
select coalesce(
    max(happened_at) filter (where held_out >= $share::decimal(18, 9) * total and held_out < total),
    min(happened_at) filter (where held_out < total)
) as cutoff
from held_out_from_each_moment;
