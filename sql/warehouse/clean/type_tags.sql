-- Types the raw tags; a value with a fault becomes null. Tags are stripped and lower-cased.
-- Inputs:  raw_tags; temp column_formats; $max_future_days; $user_example, $item_example (values of the ids' types).
-- Outputs: temp read_tags; the faulty rows are added to temp faulty_rows.
-- Grain:   one row per raw row.
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
        landed_at
    from raw_tags
    inner join column_formats using (file_id)
),
typed as (
    select
        file_id,
        line,
        id_of(user_text, $user_example, user_is_float) as user_id,
        id_of(item_text, $item_example, item_is_float) as item_id,
        tag,
        moment(timestamp, micros, unit, landed_at) as tagged_at,
        timestamp,
        landed_at + to_days($max_future_days) as latest
    from texts
)
select
    file_id,
    line,
    user_id,
    item_id,
    case when tag_fault(tag) is null then lower(tag) end as tag,
    case when time_fault(timestamp, tagged_at, latest) is null then tagged_at end as tagged_at
from typed;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_tags
    where user_id is null or item_id is null or tag is null or tagged_at is null
),
texts as (
    select
        *,
        stripped(user_id) as user_text,
        stripped(item_id) as item_text,
        stripped(tag) as tag_text,
        stripped(timestamp) as time_text,
        moment(timestamp, try_cast(timestamp as double) * micros_per_unit, unit, landed_at) as happened_at,
        landed_at + to_days($max_future_days) as latest
    from raw_tags
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
        tag_fault(tag_text),
        time_fault(time_text, happened_at, latest)
    ])
from texts;
