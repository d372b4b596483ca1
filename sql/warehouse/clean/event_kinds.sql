-- Counts the events of each name, and the ratings and tags beside them.
-- Inputs:  ratings, tags, events.
-- Output:  kind: rating, tag or event; name, of events; n.
-- Grain:   one row per kind and name that there is, the most frequent first.
from (
    select 'rating' as kind, null as name, count(rating) as n from ratings
    union all
    select 'tag', null, count(*) from tags
    union all
    select 'event', event, count(*) from events where superseded_at is null group by event
)
where n > 0
order by n desc, name;
