-- The arms of a trial, night by night, by what users did while that night's lists were the newest.
-- Inputs:  run_outcomes; `metric` and `k`, such as ndcg and 10.
-- Output:  run_id, since, until, control and trial (the metric), difference (trial less control), control_users and
--          trial_users (who came to like something new); oldest first. Late rows count as far as the newest night has them.
-- Grain:   one row per run with a trial whose arms both have such users.
with newest as (
    select run_id, max(scored_by) as scored_by
    from run_outcomes
    group by run_id
),
figures as (
    select run_outcomes.*
    from run_outcomes
    inner join newest
        on newest.run_id = run_outcomes.run_id and newest.scored_by = run_outcomes.scored_by
    where period = 'live' and model = 'all' and segment = 'all' and metric = :metric and k = :k
)
select
    control.run_id,
    control.since,
    control.until,
    control.value as control,
    trial.value as trial,
    trial.value - control.value as difference,
    control.n_users as control_users,
    trial.n_users as trial_users
from figures as control
inner join figures as trial on trial.run_id = control.run_id
where control.variant = 'control' and trial.variant = 'trial'
order by control.since, control.run_id;
