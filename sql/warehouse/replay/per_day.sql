-- The figures of every day: the rows of replay.csv.
-- Inputs:  table judged_users (day, variant, model, user_id, has_list, n_positives, hits, one column per metric);
--          served (day, until, variant, model, made_by, made_at, seconds, position), one row per day and column;
--          metrics (position, name, metric, k).
-- Output:  temp per_day: position and metric_position, to sort by; day, until, variant, model, metric, k, value (null if
--          nobody came to like anything new), n_users, n_with_list, n_positives, hits, made_by (the model of the lists),
--          made_at (the day of the night that made them), seconds (of such a night).
-- Grain:   one row per day, column (a variant's model) and metric.
create or replace temp table per_day as
with long as (
    unpivot judged_users
    on columns(* exclude (day, variant, model, user_id, has_list, n_positives, hits))
    into name name value value
),
means as (
    select
        day, variant, model, name, avg(value) as value, count(*) as n_users,
        count(*) filter (has_list) as n_with_list, sum(n_positives)::bigint as n_positives, sum(hits)::bigint as hits
    from long
    group by all
)
select
    served.position,
    metrics.position as metric_position,
    served.day,
    served.until,
    served.variant,
    served.model,
    metrics.metric,
    metrics.k,
    means.value,
    coalesce(means.n_users, 0) as n_users,
    coalesce(means.n_with_list, 0) as n_with_list,
    coalesce(means.n_positives, 0) as n_positives,
    coalesce(means.hits, 0) as hits,
    served.made_by,
    served.made_at,
    served.seconds
from served
cross join metrics
left join means using (day, variant, model, name);
