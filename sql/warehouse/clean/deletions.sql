-- Ends the ratings, tags and events that a deletion takes away. Only runs if there are deletions.
-- Inputs:  temp deletions; temp rating_history, tag_history, event_history.
-- Outputs: in the three histories, superseded_at is the time of the first deletion that is not earlier than the row, unless a
--          later row holds before it, and is_deleted is true. A deletion without a time takes away what is not later than
--          its landing as if it had never been: superseded_at is then the row's own time.
-- Grain:   unchanged.
create or replace temp macro ended_at(happened_at, moment, deletion) as
    case when deletion = 'always' then happened_at else moment end;

update rating_history
set superseded_at = ended.moment, is_deleted = true
from (
    select history.rowid as place, min(ended_at(rated_at, deletions.moment, deletion)) as moment
    from rating_history as history
    inner join deletions using (user_id, item_id)
    where source = 'ratings' and deletions.moment >= rated_at
    group by history.rowid, superseded_at
    having min(ended_at(rated_at, deletions.moment, deletion)) < coalesce(superseded_at, 'infinity'::timestamp)
) as ended
where rating_history.rowid = ended.place;

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

update event_history
set superseded_at = ended.moment, is_deleted = true
from (
    select history.rowid as place, min(ended_at(happened_at, deletions.moment, deletion)) as moment
    from event_history as history
    inner join deletions using (user_id, item_id)
    where source = 'events' and deletions.moment >= happened_at and (name is null or name = event)
    group by history.rowid
) as ended
where event_history.rowid = ended.place;
