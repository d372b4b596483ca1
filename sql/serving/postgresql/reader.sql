-- Creates the role recs_reader, which may read the tables for applications and nothing else: grant it to their users.
-- Inputs:  all tables and views that docs/serving.md lists for readers.
-- Output:  the role and its grants, as far as the publishing role may make them; the caller checks the result.
do $$
begin
    if not exists (select 1 from pg_roles where rolname = 'recs_reader') then
        begin
            create role recs_reader nologin;
        exception
            when insufficient_privilege then
                return;
            when duplicate_object or unique_violation then
                null;  -- a session in another database of this server created it at the same moment
        end;
    end if;
    execute format('grant usage on schema %I to recs_reader', current_schema());
    grant select on
        recommendations, similar_items, fallback_recommendations, previous_recommendations,
        items, seen_since, active_run, schema_version, pipeline_runs, model_metrics, run_checks, run_drift,
        stage_times, run_outcomes
    to recs_reader;
exception
    when insufficient_privilege then
        null;
end
$$;
