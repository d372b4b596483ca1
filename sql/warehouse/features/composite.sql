-- The composite utility: u = sum over signals of weight * transform(v), where v is the aggregate of the
-- pair's value * 2^(-age / half-life), age counted from one moment for all users. docs/utility.md explains it.
-- Inputs:  the windowed views; temp user_map, item_map; $now, the moment; $signals, a list of {signal, source, event, weight,
--          aggregate, transform, half_life_days}, numbered from 0 by `signal`.
-- Output:  row_idx, column_idx, value (u where u > 0, at most the greatest float), sorted by both indices.
-- Grain:   one row per pair with a positive utility. Sums of doubles depend on their order, so each names
--          one: the same log gives the same bits at any number of threads.

-- The transforms. To add one, add a line "when 'name' then formula -- words" here: settings accept the names that
-- stand here, and no others.
--   v                       the pair's value of this signal
--   mean, deviation         of the user's v of this signal (of the population); for transforms named user_… only
--   magnitude               mean of |v| over the user's v of this signal; for transforms named user_… only. It equals
--                           the mean where no v is negative, and unlike the mean it is never near 0 beside a large v:
--                           v / magnitude keeps the order of a user's items and lies between ± their number
--   above_mean              v - mean, and 0 if they differ by rounding alone; for transforms named user_… only
--   item_users              users with this signal on the item; for transforms named item_… only
--   users                   users of the snapshot with an interaction
create or replace temp macro transformed(transform, v, mean, deviation, magnitude, above_mean, item_users, users) as
    case transform
        when 'none' then v -- v
        when 'binary' then (v > 0)::integer -- 1 if v > 0, else 0
        when 'log1p' then ln(1 + greatest(v, 0)) -- ln(1 + v); a negative v counts as 0
        when 'user_mean' then above_mean -- v less the user's mean
        when 'user_ratio' then coalesce(v / nullif(magnitude, 0), 0) -- v over the user's mean of |v|; 0 if that is 0
        when 'user_zscore' then coalesce(above_mean / nullif(deviation, 0), 0) -- deviations above the mean; 0 if none
        when 'item_idf' then v * ln(1 + users / item_users) -- v, more for items that few users have
    end;

create or replace temp macro decay(happened_at, now, half_life_days) as
    case half_life_days
        when 0 then 1::double
        else pow(2, -(epoch_us(now::timestamp) - epoch_us(happened_at)) / 86400e6 / half_life_days)
    end;

with signals as materialized (
    select unnest(
        $signals::struct(
            signal integer,
            source text,
            event text,
            weight double,
            aggregate text,
            transform text,
            half_life_days double
        )[],
        recursive := true
    )
),
-- A pair has one visible rating, which is its own aggregate: the largest source needs no grouping.
rating_values as (
    select
        signal,
        user_idx,
        item_idx,
        case aggregate when 'count' then 1 else rating end
            * decay(happened_at, $now, half_life_days) as v
    from windowed_ratings
    join signals on source = 'ratings'
    join user_map using (user_id)
    join item_map using (item_id)
    where rating is not null
),
tags_and_events as (
    select signal, aggregate, user_id, item_id, happened_at, half_life_days, 1 as value
    from windowed_tags
    join signals on source = 'tags'
    union all
    select signal, aggregate, user_id, item_id, happened_at, half_life_days, value
    from windowed_events
    join signals using (event)
),
decayed_tags_and_events as (
    select *, decay(happened_at, $now, half_life_days) as decay from tags_and_events
),
tag_and_event_values as (
    select
        signal,
        user_idx,
        item_idx,
        case aggregate
            when 'last' then last(value * decay order by happened_at, value)
            when 'sum' then sum(value * decay order by happened_at, value)
            when 'max' then max(value * decay)
            when 'count' then sum(decay order by happened_at)
        end as v
    from decayed_tags_and_events
    join user_map using (user_id)
    join item_map using (item_id)
    group by signal, aggregate, user_idx, item_idx
),
signal_values as materialized (
    from rating_values union all from tag_and_event_values
),
user_statistics as (
    select
        signal,
        user_idx,
        avg(v order by item_idx) as mean,
        stddev_pop(v order by item_idx) filter (transform != 'user_mean') as deviation,
        avg(abs(v) order by item_idx) filter (transform != 'user_mean') as magnitude
    from signal_values
    join signals using (signal)
    where starts_with(transform, 'user_')
    group by signal, user_idx
),
item_audiences as (
    select signal, item_idx, count(*) as item_users
    from signal_values
    join signals using (signal)
    where starts_with(transform, 'item_')
    group by signal, item_idx
),
-- A v that differs from the mean by rounding alone counts as the mean: it must not become a tiny positive utility.
centred as (
    select
        signal_values.*,
        mean,
        deviation,
        magnitude,
        case when abs(v - mean) > 1e-9 * abs(mean) then v - mean else 0 end as above_mean
    from signal_values
    left join user_statistics using (signal, user_idx)
),
terms as materialized (
    select
        signal,
        user_idx,
        item_idx,
        weight * transformed(
            transform, v, mean, deviation, magnitude, above_mean, item_users,
            (select count(*) from user_map where is_touched)
        ) as term
    from centred
    join signals using (signal)
    left join item_audiences using (signal, item_idx)
),
-- Two terms have the same sum in either order. Only pairs with more terms need one, which costs a sort of their terms.
sums as materialized (
    select user_idx, item_idx, sum(term) as utility, count(*) as n_terms
    from terms
    group by user_idx, item_idx
),
ordered_sums as (
    select user_idx, item_idx, sum(term order by signal) as utility
    from terms
    semi join (from sums where n_terms > 2) using (user_idx, item_idx)
    group by user_idx, item_idx
)
select
    user_idx as row_idx,
    item_idx as column_idx,
    greatest(0, least(utility, 3.4028234e38))::float as value
from (
    select user_idx, item_idx, utility from sums where n_terms <= 2
    union all
    from ordered_sums
)
where value > 0
order by user_idx, item_idx;
