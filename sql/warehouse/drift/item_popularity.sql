-- Histogram of the interactions of each item, and the items that were first met since the night before.
-- Inputs:  temp macro interactions_before(moment) (split/interactions.sql); $as_of, the end of tonight's data
--          (exclusive); $since, that of the night before, null on a first night; $edges double[], ascending.
-- Output:  histogram, map(edge, items with more interactions than the edge before and at most this many), the last key
--          infinity; null without interactions. n_new, items whose first interaction is at or after $since; null on a
--          first night.
-- Grain:   one row.
with items as (
    select count(*) as n_rows, min(happened_at) as first_at
    from interactions_before($as_of)
    group by item_id
)
select
    histogram(n_rows::double, $edges::double[]) as histogram,
    case when $since is not null then count(*) filter (first_at >= $since::timestamp) end as n_new
from items;
