-- Interactions a day over the full days since the night before.
-- Inputs:  temp macro interactions_before(moment) (split/interactions.sql); $as_of, the end of tonight's data
--          (exclusive); $since, that of the night before, null on a first night.
-- Output:  rows_per_day, null where nothing came before; a day without a row counts as one with none.
-- Grain:   one row.
-- A day is full if it ended before $as_of. If no full day is new, it is the newest one; on a first night the newest
-- seven.
with days as (
    select
        date_trunc('day', $as_of::timestamp) as until_day,
        case
            when $since is null then until_day - interval 7 day
            else least(date_trunc('day', $since::timestamp), until_day - interval 1 day)
        end as from_day
),
newest as (
    select count(*) filter (happened_at >= from_day and happened_at < until_day) as n_rows, count(*) as n_before
    from interactions_before($as_of)
    cross join days
)
select case when n_before > 0 then n_rows / date_diff('day', from_day, until_day) end as rows_per_day
from newest
cross join days;
