-- Puts the typed rows without faults in their order: which of them a later one supersedes, and which delete.
-- Inputs:  temp read_ratings, read_tags, read_events; temp column_formats; the views and file_order of valid_rows.sql; temp
--          repeated_ratings, repeated_events (hash), of the rows that may supersede or equal each other
--          (tasks/ingestion/repeats.py). Only they are ordered; that two others may have the same hash has no effect.
-- Outputs: temp rating_history, tag_history, event_history, as clean_ratings.sql and the like read them: superseded_at is the
--          time from which a later row holds, is_deleted false (the first and the last are views); temp deletions; temp
--          repeat_counts, empty. clean_users.sql, clean_links.sql and clean_relations.sql go on with file_order.
-- Grain:   ratings and tags one row per valid row; events one row per user, item, event, value and time, with the number of
--          events that there were (times) and of rows that repeat them (repeats); deletions one row per row that deletes.
create or replace temp table repeated_rating_history as
select
    user_id,
    item_id,
    rating,
    rated_at,
    lead(rated_at) over (
        partition by user_id, item_id, is_not_rated order by rated_at, position, line
    ) as superseded_at
from valid_ratings
semi join repeated_ratings on repeated_ratings.hash = hash(user_id, item_id, is_not_rated)
inner join file_order using (file_id);

create or replace temp view rating_history as
select user_id, item_id, rating, rated_at, null::timestamp as superseded_at, false as is_deleted
from valid_ratings
anti join repeated_ratings on repeated_ratings.hash = hash(user_id, item_id, is_not_rated)
union all
select *, false from repeated_rating_history;

create or replace temp table tag_history as
select
    user_id,
    item_id,
    tag,
    tagged_at,
    lead(tagged_at) over (partition by user_id, item_id, tag order by tagged_at, position, line) as superseded_at,
    false as is_deleted
from read_tags
inner join file_order using (file_id)
where
    user_id is not null and item_id is not null and tag is not null and tagged_at is not null and deletion = 'no';

-- Events that are alike are one that was delivered twice, if their times are exact. A coarse time stands for all events of
-- a day, an hour or a minute: those are as many as the file with the most of them has. A time is coarse where the file has
-- none, or if it is a whole minute or the last second of a quarter of an hour (23:59:59, in any zone), and over a
-- twentieth of its file's events of that name are such. Of exact times, one in sixty is.
create or replace temp macro is_rounded_time(moment) as
    epoch_us(moment) % 60000000 = 0 or epoch_us(moment) // 1000000 % 900 = 899;

create or replace temp table repeated_event_history as
with repeated as (
    from valid_events
    semi join repeated_events on repeated_events.hash = hash(user_id, item_id, event, value, happened_at)
),
by_file as (
    select file_id, user_id, item_id, event, value, happened_at, count(*) as rows
    from repeated
    group by all
),
habits as (
    select
        file_id,
        event,
        any_value(unit) = 'none' as has_no_times,
        count(*) filter (is_rounded_time(happened_at)) > 0.05 * count(*) as has_coarse_times
    from valid_events
    semi join repeated using (file_id, event)
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

create or replace temp view event_history as
select *, null::timestamp as superseded_at, false as is_deleted
from (
    select user_id, item_id, event, value, happened_at, 1 as times, 0::hugeint as repeats
    from valid_events
    anti join repeated_events on repeated_events.hash = hash(user_id, item_id, event, value, happened_at)
    union all
    from repeated_event_history
);

-- The valid rows that delete. `name` is the tag or the event, null for all of the pair.
create or replace temp table deletions as
select 'ratings' as source, user_id, item_id, null::text as name, rated_at as moment, deletion
from read_ratings
where deletion in ('at', 'always') and user_id is not null and item_id is not null and rated_at is not null
union all
select 'tags', user_id, item_id, tag, tagged_at, deletion
from read_tags
where deletion in ('at', 'always') and user_id is not null and item_id is not null and tagged_at is not null
union all
select 'events', user_id, item_id, event, happened_at, deletion
from read_events
where deletion in ('at', 'always') and user_id is not null and item_id is not null and happened_at is not null;

-- Of each source, the valid rows that a later row supersedes or equals, those that a deletion takes away, and those that delete;
-- `new_pairs` of a source to which rows were added: the pairs of user and item that it had not.
create or replace temp table repeat_counts (
    source text, duplicates bigint, deleted bigint default 0, deletions bigint default 0, new_pairs bigint
);
