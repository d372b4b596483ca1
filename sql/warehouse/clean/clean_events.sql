-- Builds the events, as schema.sql describes them, from the typed rows without faults.
-- Inputs:  temp event_history, deletions (histories.sql, deletions.sql); temp repeat_counts.
-- Outputs: events, replaced, in no order: sorting takes long, and no reader needs it; a row of repeat_counts.
-- Grain:   one row per event.
create or replace table events as
select user_id, item_id, event, value, happened_at, superseded_at
from event_history
where superseded_at is null or superseded_at > happened_at
union all
select user_id, item_id, event, value, happened_at, superseded_at
from (
    select *, unnest(range(1, times))
    from event_history
    where times > 1 and (superseded_at is null or superseded_at > happened_at)
);

-- The others are not counted, so that the view need not find them again.
insert into repeat_counts (source, duplicates, deleted, deletions)
select
    'events',
    coalesce(sum(repeats), 0)::bigint,
    coalesce(sum(times) filter (is_deleted), 0)::bigint,
    (select count(*) from deletions where source = 'events')
from event_history
where repeats > 0 or superseded_at is not null;
