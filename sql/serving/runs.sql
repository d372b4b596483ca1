-- All recorded runs, newest first, and the state of their lists.
-- Inputs:  pipeline_runs, active_run, published_runs, held_back_runs.
-- Output:  the columns of pipeline_runs, then is_live, is_kept (a rollback can show it) and is_held_back, each 0 or 1,
--          and bytes, the size of its lists on disk (null if they are gone or the size is unknown).
-- Grain:   one row per run.
select
    pipeline_runs.run_id,
    pipeline_runs.as_of,
    pipeline_runs.started_at,
    pipeline_runs.finished_at,
    pipeline_runs.status,
    pipeline_runs.champion,
    pipeline_runs.rows,
    pipeline_runs.reason,
    case when active_run.run_id is null then 0 else 1 end as is_live,
    case when published_runs.switched_at is null then 0 else 1 end as is_kept,
    case when held_back_runs.run_id is null then 0 else 1 end as is_held_back,
    published_runs.bytes
from pipeline_runs
left join active_run on active_run.run_id = pipeline_runs.run_id
left join published_runs on published_runs.run_id = pipeline_runs.run_id
left join held_back_runs on held_back_runs.run_id = pipeline_runs.run_id
order by pipeline_runs.run_id desc;
