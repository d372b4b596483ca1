-- Types the raw events; a value with a fault becomes null. An event without a value, or with a word for none,
-- counts 1.
-- Inputs:  raw_events, raw_numeric_events, landed_events; temp column_formats, files_to_type; $max_future_days; $user_example, $item_example (values of the ids' types);
--          $constant_event, the event of every row where the file has no such column, else ''.
-- Outputs: temp read_events, with `deletion` as in type_ratings.sql: one without an event deletes all events of its pair; the faulty rows are added to temp faulty_rows.
-- Grain:   one row per raw row of files_to_type.
create or replace temp macro value_fault(x, has_comma) as coalesce(
    number_fault(x, 'value', has_comma),
    case when number_of(x, has_comma) < 0 then 'value is negative' end,
    case when number_of(x, has_comma) > 1e15 then 'value is too large' end
);

create or replace temp macro event_value(number, value, has_comma) as case
    when isfinite(number) then number
    else number_of(coalesce(value_of(case when isfinite(number) then null else value end), '1'), has_comma)
end;

create or replace temp table read_events as
with texts as (
    select
        file_id,
        line,
        id_text(user_id, $user_example) as user_text,
        id_text(item_id, $item_example) as item_text,
        user_is_float,
        item_is_float,
        coalesce(stripped(event), nullif($constant_event, '')) as event,
        number_of(value, has_comma) as number,
        value,
        has_comma,
        timestamp,
        try_cast(timestamp as double) * micros_per_unit as micros,
        unit,
        landed_at,
        deletion_of(deleted, timestamp, unit) as deletion
    from raw_events
    inner join files_to_type using (file_id)
),
typed as (
    select
        file_id,
        line,
        id_of(user_text, $user_example, user_is_float) as user_id,
        id_of(item_text, $item_example, item_is_float) as item_id,
        event,
        event_value(number, value, has_comma) as number,
        case when deletion = 'always' then landed_at else moment(timestamp, micros, unit, landed_at) end as happened_at,
        timestamp,
        landed_at + to_days($max_future_days) as latest,
        deletion
    from texts
),
-- To look at the few different names is quicker than at those of all rows.
numeric_names as (
    select coalesce(event = stripped(event), false) as is_plain
    from (select distinct event from raw_numeric_events semi join files_to_type using (file_id))
),
numeric as (
    select
        file_id,
        line,
        cast_to_type(user_id, $user_example) as user_id,
        cast_to_type(item_id, $item_example) as item_id,
        case
            when (select bool_and(is_plain) from numeric_names) then event
            else coalesce(stripped(event), nullif($constant_event, ''))
        end as event,
        number_of(value, has_comma) as known,
        value,
        has_comma,
        text_of_time(timestamp, timestamp * micros_per_unit, unit) as timestamp,
        timestamp * micros_per_unit as micros,
        unit,
        landed_at,
        landed_at + to_days($max_future_days) as latest,
        'no' as deletion
    from raw_numeric_events
    inner join files_to_type using (file_id)
),
numeric_typed as (
    select * exclude (known, value, has_comma),
        event_value(known, value, has_comma) as number,
        moment(timestamp, micros, unit, landed_at) as happened_at
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
    case when text_fault(event, '') is null then event end as event,
    case when number between 0 and 1e15 then number end as value,  -- as value_fault has it
    case when deletion = 'always' or time_fault(timestamp, happened_at, latest) is null then happened_at end
        as happened_at,
    case when deletion != 'no' and event is not null and text_fault(event, '') is not null then 'neither' else deletion end
        as deletion
from all_typed;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_events
    where
        user_id is null or item_id is null or happened_at is null or deletion = 'neither'
        or ((event is null or value is null) and deletion = 'no')
),
texts as (
    select
        *,
        stripped(user_id) as user_text,
        stripped(item_id) as item_text,
        coalesce(stripped(event), nullif($constant_event, '')) as event_text,
        coalesce(value_of(value), '1') as value_text,
        stripped(timestamp) as time_text,
        deletion_of(deleted, timestamp, unit) as deletion,
        moment(timestamp, try_cast(timestamp as double) * micros_per_unit, unit, landed_at) as happened_at,
        landed_at + to_days($max_future_days) as latest
    from landed_events
    semi join faulty using (file_id, line)
    inner join column_formats using (file_id)
)
select
    'events',
    file_id,
    line,
    to_json({
        'user': user_id, 'item': item_id, 'event': event, 'value': value, 'timestamp': timestamp
    })::text,
    faults([
        id_fault(user_text, 'user id', $user_example),
        id_fault(item_text, 'item id', $item_example),
        deletion_fault(deletion),
        case when deletion = 'no' or event_text is not null then text_fault(event_text, 'event') end,
        case when deletion = 'no' then value_fault(value_text, has_comma) end,
        case when deletion != 'always' then time_fault(time_text, happened_at, latest) end
    ])
from texts;
