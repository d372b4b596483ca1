-- Is a model worth its minutes? For each model of `base`: what its lists gained over popularity, beside the time that its
-- stages take in a night. Run it with DuckDB.
-- Inputs:  $csv, the path of a replay.csv; $metric and $k, such as ndcg and 10.
-- Output:  model, value (mean over visits, that is users and days), above_popularity, hits, hits_above_popularity,
--          minutes (of a night), hits_per_minute (above popularity; null for popularity itself). Best first.
-- Grain:   one row per model, and `champion`, the lists that would have been live.
with figures as (
    select
        model,
        sum(value * n_users) / sum(n_users) as value,
        sum(hits) filter (value is not null) as hits,
        avg(seconds) filter (made_at = day) / 60 as minutes
    from read_csv($csv)
    where variant = 'base' and metric = $metric and k = $k
    group by model
),
popularity as (
    select value, hits, minutes from figures where model = 'popularity'
)
select
    figures.model,
    round(figures.value, 4) as value,
    round(figures.value - popularity.value, 4) as above_popularity,
    figures.hits,
    figures.hits - popularity.hits as hits_above_popularity,
    round(figures.minutes, 2) as minutes,
    case
        when figures.model != 'popularity'
            then round((figures.hits - popularity.hits) / nullif(figures.minutes, 0), 1)
    end as hits_per_minute
from figures
cross join popularity
order by figures.value desc, figures.model;
