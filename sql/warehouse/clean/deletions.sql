-- Ends the ratings, tags and events that a deletion takes away. Only runs if there are deletions.
-- Inputs:  temp deletions; temp rating_history, tag_history, event_history.
-- Outputs: in the three histories, superseded_at is the time of the first deletion that is not earlier than the row, unless a
--          later row holds before it, and is_deleted is true. A deletion without a time takes away what is not later than
--          its landing as if it had never been: superseded_at is then the row's own time.
-- Grain:   unchanged.
create or replace temp macro ended_at(happened_at, moment, deletion) as
    case when deletion = 'always' then happened_at else moment end;

create or replace temp table ended_ratings as
from rating_history;

update ended_ratings
set superseded_at = ended.moment, is_deleted = true
from (
    select history.rowid as place, min(ended_at(rated_at, deletions.moment, deletion)) as moment
    from ended_ratings as history
    inner join deletions using (user_id, item_id)
    where source = 'ratings' and deletions.moment >= rated_at
    group by history.rowid, superseded_at
    having min(ended_at(rated_at, deletions.moment, deletion)) < coalesce(superseded_at, 'infinity'::timestamp)
) as ended
where ended_ratings.rowid = ended.place;

create or replace temp view rating_history as from ended_ratings;

update tag_history
set superseded_at = ended.moment, is_deleted = true
from (
    select history.rowid as place, min(ended_at(tagged_at, deletions.moment, deletion)) as moment
    from tag_history as history
    inner join deletions using (user_id, item_id)
    where source = 'tags' and deletions.moment >= tagged_at and (name is null or name = tag)
    group by history.rowid, superseded_at
    having min(ended_at(tagged_at, deletions.moment, deletion)) < coalesce(superseded_at, 'infinity'::timestamp)
) as ended
where tag_history.rowid = ended.place;

create or replace temp table ended_events as
from event_history;

update ended_events
set superseded_at = ended.moment, is_deleted = true
from (
    select history.rowid as place, min(ended_at(happened_at, deletions.moment, deletion)) as moment
    from ended_events as history
    inner join deletions using (user_id, item_id)
    where source = 'events' and deletions.moment >= happened_at and (name is null or name = event)
    group by history.rowid
) as ended
where ended_events.rowid = ended.place;

create or replace temp view event_history as from ended_events;
