-- Remove the flow runs of nights long ago from the database of Prefect's server in a home, and all that was kept of them.
-- Run with foreign keys on: a flow run takes its states, its task runs and their states with it.
-- Inputs:  flow_run, log, artifact, artifact_collection, events, event_resources of SQLite,
--          :nights = how many of the newest flow runs stay, 1 or more.
-- Output:  the same tables without rows that were created before the oldest flow run that stays. If there are not
--          more than :nights flow runs, nothing changes.
-- Grain:   none, rows are only deleted.

create temporary table first_kept as
select min(created) as moment
from (select created from flow_run order by created desc limit :nights)
where (select count(*) from flow_run) > :nights;

delete from log where created < (select moment from first_kept);

delete from artifact where created < (select moment from first_kept);

-- The newest artifact of each key. A night that failed early made none, so it may be of a night that goes.
delete from artifact_collection where latest_id not in (select id from artifact);

delete from event_resources where created < (select moment from first_kept);

delete from events where created < (select moment from first_kept);

delete from flow_run where created < (select moment from first_kept);
