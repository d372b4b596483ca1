-- Builds the clean tables, as schema.sql describes them, from the typed rows without faults.
-- Inputs:  temp rating_history, tag_history, event_history, deletions (histories.sql, deletions.sql), read_ratings, read_tags,
--          read_events, read_items, read_attributes, dropped at the end; temp file_order.
-- Outputs: ratings, tags, events, items, replaced, in an order that does not depend on threads; temp repeat_counts
--          (source, duplicates: the valid rows that a later row supersedes or equals, deleted: those that a deletion takes
--          away, deletions: the valid rows that delete).
-- Grain:   ratings one row per user, item and time (one that is rated and one that is not, if there are both); tags per
--          user, item, tag and time; events one row per event; items one row per item.
create or replace table ratings as
select * exclude (is_deleted)
from rating_history
where superseded_at is null or superseded_at > rated_at
order by user_id, item_id, rated_at, rating is null;

create or replace table tags as
select * exclude (is_deleted)
from tag_history
where superseded_at is null or superseded_at > tagged_at
order by user_id, item_id, tag, tagged_at;

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
)
order by user_id, item_id, happened_at, event, value;

create or replace temp table item_history as
select
    item_id,
    title,
    genres,
    coalesce(attributes, map {}) as attributes,
    row_number() over (partition by item_id order by position desc, line desc) as age
from read_items
inner join file_order using (file_id)
left join read_attributes using (file_id, line)
where item_id is not null;

create or replace table items as
select item_id, title, genres, attributes
from item_history
where age = 1
order by item_id;

create or replace temp table repeat_counts (
    source text, duplicates bigint, deleted bigint default 0, deletions bigint default 0
);

insert into repeat_counts
with superseded as (
    select
        'ratings' as source,
        count(superseded_at) filter (not is_deleted) as duplicates,
        count(*) filter (is_deleted) as deleted
    from rating_history
    union all
    select 'tags', count(superseded_at) filter (not is_deleted), count(*) filter (is_deleted) from tag_history
    union all
    select 'events', coalesce(sum(repeats), 0)::bigint, coalesce(sum(times) filter (is_deleted), 0)::bigint
    from event_history
    union all
    select 'items', count(*), 0 from item_history where age > 1
),
deleting as (
    select source, count(*) as deletions
    from deletions
    group by source
)
select source, duplicates, deleted, coalesce(deletions, 0)
from superseded
left join deleting using (source);

drop table read_ratings;
drop table read_tags;
drop table read_events;
drop table read_items;
drop table read_attributes;
drop table rating_history;
drop table tag_history;
drop table event_history;
drop table item_history;
drop table deletions;
drop view valid_ratings;
drop view valid_events;
drop table repeated_ratings;
drop table repeated_events;
