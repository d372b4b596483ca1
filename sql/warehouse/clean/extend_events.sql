-- Adds the events of new files to those that are clean already. Only runs if nothing was ever deleted.
-- Inputs:  events; temp event_history, of the new files, and repeat_counts (histories.sql); $past_duplicates, the duplicates
--          that the clean events come from.
-- Outputs: events, with the rows that clean_events.sql would make of all files, the new ones at the end; a row of
--          repeat_counts.
-- Grain:   as of clean_events.sql. Of events that are alike there are as many as the file with the most of them has: so the
--          new files add what they have beyond those that are there.
create or replace temp table alike_events as
select user_id, item_id, event, value, happened_at, count(*) as times
from events
semi join event_history using (user_id, item_id, event, value, happened_at)
group by all;

create or replace temp table added_events as
select history.*, greatest(history.times - coalesce(alike.times, 0), 0) as added
from event_history as history
left join alike_events as alike using (user_id, item_id, event, value, happened_at);

insert into repeat_counts (source, duplicates, new_pairs)
select
    'events',
    $past_duplicates + coalesce(sum(repeats + times - added), 0)::bigint,
    (select count(*) from (select distinct user_id, item_id from added_events) anti join events using (user_id, item_id))
from added_events;

insert into events by name
select user_id, item_id, event, value, happened_at, superseded_at
from (select *, unnest(range(0, added)) from added_events);

drop table alike_events;
drop table added_events;
