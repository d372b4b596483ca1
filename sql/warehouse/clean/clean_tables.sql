-- Builds the clean tables, as schema.sql describes them, from the typed rows without faults.
-- Inputs:  temp read_ratings, read_tags, read_events, read_items, read_attributes, dropped at the end; landed_files; temp
--          column_formats.
-- Outputs: ratings, tags, events, items, replaced, in an order that does not depend on threads; temp repeat_counts
--          (source, duplicates), the valid rows that a later row supersedes or equals; temp file_order (file_id,
--          position). clean_users.sql, clean_links.sql and clean_relations.sql go on with these.
-- Grain:   ratings one row per user, item and time (one that is rated and one that is not, if there are both); tags per
--          user, item, tag and time; events one row per event; items one row per item.
-- Among rows with the same time, the later line of the later file wins. Files are ordered by path, then by landing.
create or replace temp table file_order as
select file_id, row_number() over (order by path, file_id) as position
from landed_files;

create or replace temp table rating_history as
select
    user_id,
    item_id,
    rating,
    rated_at,
    lead(rated_at) over (
        partition by user_id, item_id, is_not_rated order by rated_at, position, line
    ) as superseded_at
from read_ratings
inner join file_order using (file_id)
where
    user_id is not null and item_id is not null and (rating is not null or is_not_rated) and rated_at is not null;

create or replace table ratings as
from rating_history
where superseded_at is null or superseded_at > rated_at
order by user_id, item_id, rated_at, rating is null;

create or replace temp table tag_history as
select
    user_id,
    item_id,
    tag,
    tagged_at,
    lead(tagged_at) over (partition by user_id, item_id, tag order by tagged_at, position, line) as superseded_at
from read_tags
inner join file_order using (file_id)
where user_id is not null and item_id is not null and tag is not null and tagged_at is not null;

create or replace table tags as
from tag_history
where superseded_at is null or superseded_at > tagged_at
order by user_id, item_id, tag, tagged_at;

-- Events that are alike are one that was delivered twice, if their times are exact. A coarse time stands for all events of
-- a day, an hour or a minute: those are as many as the file with the most of them has. A time is coarse where the file has
-- none, or if it is a whole minute or the last second of a quarter of an hour (23:59:59, in any zone), and over a
-- twentieth of its file's events of that name are such. Of exact times, one in sixty is.
create or replace temp macro is_rounded_time(moment) as
    epoch_us(moment) % 60000000 = 0 or epoch_us(moment) // 1000000 % 900 = 899;

create or replace temp table event_history as
with by_file as (
    select file_id, user_id, item_id, event, value, happened_at, count(*) as rows
    from read_events
    where
        user_id is not null and item_id is not null and event is not null and value is not null
        and happened_at is not null
    group by all
),
habits as (
    select
        file_id,
        event,
        any_value(unit) = 'none' as has_no_times,
        sum(rows) filter (is_rounded_time(happened_at)) > 0.05 * sum(rows) as has_coarse_times
    from by_file
    inner join column_formats using (file_id)
    group by file_id, event
)
select
    user_id,
    item_id,
    event,
    value,
    happened_at,
    max(case when has_no_times or has_coarse_times and is_rounded_time(happened_at) then rows else 1 end) as times,
    sum(rows) - times as repeats
from by_file
inner join habits using (file_id, event)
group by user_id, item_id, event, value, happened_at;

create or replace table events as
select user_id, item_id, event, value, happened_at
from event_history
union all
select user_id, item_id, event, value, happened_at
from (select *, unnest(range(1, times)) from event_history where times > 1)
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

create or replace temp table repeat_counts as
select 'ratings' as source, count(superseded_at) as duplicates from rating_history
union all
select 'tags', count(superseded_at) from tag_history
union all
select 'events', coalesce(sum(repeats), 0)::bigint from event_history
union all
select 'items', count(*) from item_history where age > 1;

drop table read_ratings;
drop table read_tags;
drop table read_events;
drop table read_items;
drop table read_attributes;
drop table rating_history;
drop table tag_history;
drop table event_history;
drop table item_history;
