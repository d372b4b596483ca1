-- Counts the times before 1973, which are numbers of another unit than seconds, or count something else.
-- Inputs:  ratings, tags, events, links.
-- Output:  source; n, its rows; early, how many have a time before 1973; newest, the newest such time.
-- Grain:   one row per source with such a time, by name.
with times as (
    select 'ratings' as source, rated_at as moment from ratings
    union all
    select 'tags', tagged_at from tags
    union all
    select 'events', happened_at from events
    union all
    select 'links', linked_at from links where linked_at is not null
)
select
    source,
    count(*) as n,
    count(*) filter (moment < timestamp '1973-01-01') as early,
    date_trunc('second', max(moment) filter (moment < timestamp '1973-01-01')) as newest
from times
group by source
having early > 0
order by source;
