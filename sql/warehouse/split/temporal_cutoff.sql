-- The moment at or after which the newest share of all interactions lies.
-- Inputs:  interactions_before; $as_of, exclusive; $share between 0 and 1.
-- Output:  cutoff, null if all interactions have one timestamp and nothing can be held out.
-- Grain:   one row. Interactions with the timestamp of the cutoff are held out together; if nothing would be left
--          before it, they stay together and the next timestamp is the cutoff.
-- Nearly every interaction has a timestamp of its own. So hours are counted first, and timestamps within one hour only.
with hours as (
    select epoch_us(happened_at) // 3600000000 as hour, count(*) as interactions, min(happened_at) as first_at
    from interactions_before($as_of)
    group by hour
),
held_out_from_each_hour as (
    select
        hour,
        interactions,
        sum(interactions) over (order by hour desc) as held_out,
        sum(interactions) over () as total
    from hours
),
hour_of_cutoff as (
    select hour, held_out - interactions as held_out_later, total
    from held_out_from_each_hour
    where held_out >= $share::decimal(18, 9) * total
    order by hour desc
    limit 1
),
moments as (
    select happened_at, count(*) as interactions
    from interactions_before($as_of)
    where epoch_us(happened_at) // 3600000000 = (select hour from hour_of_cutoff)
    group by happened_at
),
held_out_from_each_moment as (
    select
        happened_at,
        held_out_later + sum(interactions) over (order by happened_at desc) as held_out,
        total
    from moments
    cross join hour_of_cutoff
)
select coalesce(
    max(happened_at) filter (where held_out >= $share::decimal(18, 9) * total and held_out < total),
    (
        select min(happened_at)
        from interactions_before($as_of)
        where happened_at > (select min(first_at) from hours)
    )
) as cutoff
from held_out_from_each_moment;
