-- Types the raw tags; a value with a fault becomes null. Tags are stripped and lower-cased.
-- Inputs:  raw_tags, raw_numeric_tags, landed_tags; temp column_formats, files_to_type; $max_future_days; $user_example, $item_example (values of the ids' types).
-- Outputs: temp read_tags, with `deletion` as in type_ratings.sql: one without a tag deletes all tags of its pair; the faulty rows are added to temp faulty_rows.
-- Grain:   one row per raw row of files_to_type.
create or replace temp macro tag_fault(x) as coalesce(
    text_fault(x, 'tag'),
    case when length(x) > 1000 then 'tag is longer than 1000 characters' end
);

create or replace temp table read_tags as
with texts as (
    select
        file_id,
        line,
        id_text(user_id, $user_example) as user_text,
        id_text(item_id, $item_example) as item_text,
        user_is_float,
        item_is_float,
        stripped(tag) as tag,
        timestamp,
        try_cast(timestamp as double) * micros_per_unit as micros,
        unit,
        landed_at,
        deletion_of(deleted, timestamp, unit) as deletion
    from raw_tags
    inner join files_to_type using (file_id)
),
typed as (
    select
        file_id,
        line,
        id_of(user_text, $user_example, user_is_float) as user_id,
        id_of(item_text, $item_example, item_is_float) as item_id,
        tag,
        case when deletion = 'always' then landed_at else moment(timestamp, micros, unit, landed_at) end as tagged_at,
        timestamp,
        landed_at + to_days($max_future_days) as latest,
        deletion
    from texts
),
numeric as (
    select
        file_id,
        line,
        cast_to_type(user_id, $user_example) as user_id,
        cast_to_type(item_id, $item_example) as item_id,
        stripped(tag) as tag,
        text_of_time(timestamp, timestamp * micros_per_unit, unit) as timestamp,
        timestamp * micros_per_unit as micros,
        unit,
        landed_at,
        landed_at + to_days($max_future_days) as latest,
        'no' as deletion
    from raw_numeric_tags
    inner join files_to_type using (file_id)
),
numeric_typed as (
    select *,
        moment(timestamp, micros, unit, landed_at) as tagged_at
    from numeric
),
all_typed as (
    from typed
    union all by name
    select * exclude (micros, unit, landed_at) from numeric_typed
)
select
    file_id,
    line,
    user_id,
    item_id,
    case when tag_fault(tag) is null then lower(tag) end as tag,
    case when deletion = 'always' or time_fault(timestamp, tagged_at, latest) is null then tagged_at end as tagged_at,
    case when deletion != 'no' and tag is not null and tag_fault(tag) is not null then 'neither' else deletion end
        as deletion
from all_typed;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_tags
    where
        user_id is null or item_id is null or tagged_at is null or deletion = 'neither'
        or (tag is null and deletion = 'no')
),
texts as (
    select
        *,
        stripped(user_id) as user_text,
        stripped(item_id) as item_text,
        stripped(tag) as tag_text,
        stripped(timestamp) as time_text,
        deletion_of(deleted, timestamp, unit) as deletion,
        moment(timestamp, try_cast(timestamp as double) * micros_per_unit, unit, landed_at) as happened_at,
        landed_at + to_days($max_future_days) as latest
    from landed_tags
    semi join faulty using (file_id, line)
    inner join column_formats using (file_id)
)
select
    'tags',
    file_id,
    line,
    to_json({'user': user_id, 'item': item_id, 'tag': tag, 'timestamp': timestamp})::text,
    faults([
        id_fault(user_text, 'user id', $user_example),
        id_fault(item_text, 'item id', $item_example),
        deletion_fault(deletion),
        case when deletion = 'no' or tag_text is not null then tag_fault(tag_text) end,
        case when deletion != 'always' then time_fault(time_text, happened_at, latest) end
    ])
from texts;
