-- Creates the views for applications, or adds to them the columns that an earlier version lacked: the rows of the live run, which the one row of active_run names.
-- Inputs:  recommendations_by_run, similar_items_by_run, fallback_recommendations_by_run, each partitioned by run_id;
--          active_run (run_id), one row; published_runs, held_back_runs.
-- Output:  recommendations, similar_items, fallback_recommendations, previous_recommendations. A switch updates
--          active_run and never a view, so no reader waits for a lock on a view.
-- Grain:   as the tables behind them.
create or replace view recommendations as
select user_id, rank, item_id, score, model, model_score, reason_item_id, run_id, variant
from recommendations_by_run
where run_id = (select run_id from active_run);

create or replace view similar_items as
select item_id, rank, similar_item_id, score, run_id
from similar_items_by_run
where run_id = (select run_id from active_run);

create or replace view fallback_recommendations as
select segment, rank, item_id, score, run_id
from fallback_recommendations_by_run
where run_id = (select run_id from active_run);

create or replace view previous_recommendations as
select user_id, rank, item_id, score, model, model_score, reason_item_id, run_id, variant
from recommendations_by_run
where run_id = (
    select max(published_runs.run_id)
    from published_runs
    cross join active_run
    where
        published_runs.run_id < active_run.run_id
        and published_runs.switched_at is not null
        and published_runs.run_id not in (select run_id from held_back_runs)
);
