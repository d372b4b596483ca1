-- The cost of rarer nights. For each variant and age of its lists: what they lost against the lists that `base`
-- served on the same days. Run it with DuckDB.
-- Inputs:  $csv, the path of a replay.csv with variants that differ in `every`; $metric and $k, such as ndcg and 10.
-- Output:  variant, age_days (days since the night that made the lists), days, n_users (visits), value, base_value,
--          difference. The differences of young lists are near zero; those of old ones are the cost.
-- Grain:   one row per variant other than `base`, and age.
with champions as (
    select day, variant, made_at, value, n_users
    from read_csv($csv)
    where model = 'champion' and metric = $metric and k = $k and value is not null
)
select
    other.variant,
    date_diff('day', other.made_at::timestamp, other.day::timestamp) as age_days,
    count(*) as days,
    sum(other.n_users)::bigint as n_users,
    round(sum(other.value * other.n_users) / sum(other.n_users), 4) as value,
    round(sum(base.value * base.n_users) / sum(base.n_users), 4) as base_value,
    round(sum((other.value - base.value) * base.n_users) / sum(base.n_users), 4) as difference
from champions as other
join champions as base on base.day = other.day and base.variant = 'base'
where other.variant != 'base'
group by other.variant, age_days
order by other.variant, age_days;
