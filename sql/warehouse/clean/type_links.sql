-- Types the raw links; a value with a fault becomes null. A link without a weight, or with a word for none, weighs 1.
-- Inputs:  raw_links; temp column_formats; $max_future_days; $user_example (a value of the user ids' type).
-- Outputs: temp read_links: linked_at is null for all links of a file without times, and has_time then false; the faulty
--          rows are added to temp faulty_rows.
-- Grain:   one row per raw row.
create or replace temp macro weight_fault(x, has_comma) as coalesce(
    number_fault(x, 'weight', has_comma),
    case when number_of(x, has_comma)::float <= 0 then 'weight is not above 0' end,
    case when number_of(x, has_comma) > 1e15 then 'weight is too large' end
);

create or replace temp table files_with_times as
select file_id, bool_or(value_of(timestamp) is not null) as has_time
from raw_links
group by file_id;

create or replace temp table read_links as
with texts as (
    select
        file_id,
        line,
        id_text(user_id, $user_example) as user_text,
        id_text(friend_id, $user_example) as friend_text,
        user_is_float,
        coalesce(value_of(weight), '1') as weight,
        has_comma,
        has_time,
        timestamp,
        try_cast(timestamp as double) * micros_per_unit as micros,
        unit,
        landed_at
    from raw_links
    inner join column_formats using (file_id)
    inner join files_with_times using (file_id)
),
typed as (
    select
        file_id,
        line,
        id_of(user_text, $user_example, user_is_float) as user_id,
        id_of(friend_text, $user_example, user_is_float) as friend_id,
        weight,
        has_comma,
        has_time,
        moment(timestamp, micros, unit, landed_at) as linked_at,
        timestamp,
        landed_at + to_days($max_future_days) as latest
    from texts
)
select
    file_id,
    line,
    user_id,
    case when friend_id != user_id then friend_id end as friend_id,
    case when weight_fault(weight, has_comma) is null then number_of(weight, has_comma) end as weight,
    has_time,
    case when has_time and time_fault(timestamp, linked_at, latest) is null then linked_at end as linked_at
from typed;

insert into faulty_rows
with faulty as (
    select file_id, line, has_time
    from read_links
    where user_id is null or friend_id is null or weight is null or (has_time and linked_at is null)
),
texts as (
    select
        *,
        stripped(user_id) as user_text,
        stripped(friend_id) as friend_text,
        coalesce(value_of(weight), '1') as weight_text,
        stripped(timestamp) as time_text,
        moment(timestamp, try_cast(timestamp as double) * micros_per_unit, unit, landed_at) as linked_at,
        landed_at + to_days($max_future_days) as latest
    from raw_links
    inner join faulty using (file_id, line)
    inner join column_formats using (file_id)
)
select
    'links',
    file_id,
    line,
    to_json({'user': user_id, 'friend': friend_id, 'weight': weight, 'timestamp': timestamp})::text,
    faults([
        id_fault(user_text, 'user id', $user_example),
        id_fault(friend_text, 'friend id', $user_example),
        case
            when id_of(user_text, $user_example, user_is_float) = id_of(friend_text, $user_example, user_is_float)
                then 'user and friend are the same'
        end,
        weight_fault(weight_text, has_comma),
        case when has_time then time_fault(time_text, linked_at, latest) end
    ])
from texts;

drop table files_with_times;
