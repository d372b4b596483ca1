-- Types the raw ratings; a value with a fault becomes null, and so does a rating that is none (is_not_rated).
-- Inputs:  raw_ratings, raw_numeric_ratings, landed_ratings; temp column_formats, files_to_type; $rating_min, $rating_max; $not_rated (numbers) and $not_rated_words, which
--          mean that there is no rating ('' stands for NULL and the like, too); $max_future_days; $user_example,
--          $item_example (values of the ids' types).
-- Outputs: temp read_ratings, with `deletion` as deletion_of gives it: rated_at is then the time of the deletion, or, of one
--          that has none, of the landing; the faulty rows are added to temp faulty_rows.
-- Grain:   one row per raw row of files_to_type.
create or replace temp macro is_not_rated(rating, rating_text, numbers, words) as
    case when len(numbers::double[]) > 0 then coalesce(list_contains(numbers::double[], rating), false) else false end
    or case
        when len(words::text[]) > 0
            then list_contains(words::text[], coalesce(stripped(rating_text), ''))
            or (value_of(rating_text) is null and list_contains(words::text[], ''))
        else false
    end;

create or replace temp table read_ratings as
with texts as (
    select
        file_id,
        line,
        id_text(user_id, $user_example) as user_text,
        id_text(item_id, $item_example) as item_text,
        user_is_float,
        item_is_float,
        number_of(rating, has_comma) as rating,
        rating as rating_text,
        timestamp,
        try_cast(timestamp as double) * micros_per_unit as micros,
        unit,
        landed_at,
        deletion_of(deleted, timestamp, unit) as deletion
    from raw_ratings
    inner join files_to_type using (file_id)
),
typed as (
    select
        file_id,
        line,
        id_of(user_text, $user_example, user_is_float) as user_id,
        id_of(item_text, $item_example, item_is_float) as item_id,
        rating,
        is_not_rated(rating, rating_text, $not_rated, $not_rated_words) as is_not_rated,
        case when deletion = 'always' then landed_at else moment(timestamp, micros, unit, landed_at) end as rated_at,
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
        number_of(rating, has_comma) as rating,
        rating as rating_text,
        text_of_time(timestamp, timestamp * micros_per_unit, unit) as timestamp,
        timestamp * micros_per_unit as micros,
        unit,
        landed_at,
        landed_at + to_days($max_future_days) as latest,
        'no' as deletion
    from raw_numeric_ratings
    inner join files_to_type using (file_id)
),
numeric_typed as (
    select * exclude (rating_text),
        is_not_rated(rating, rating_text, $not_rated, $not_rated_words) as is_not_rated,
        moment(timestamp, micros, unit, landed_at) as rated_at
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
    case when not is_not_rated and rating between $rating_min and $rating_max then rating end as rating,
    is_not_rated,
    case when deletion = 'always' or time_fault(timestamp, rated_at, latest) is null then rated_at end as rated_at,
    deletion
from all_typed;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_ratings
    where
        user_id is null or item_id is null or rated_at is null or deletion = 'neither'
        or (rating is null and not is_not_rated and deletion = 'no')
),
texts as (
    select
        *,
        stripped(user_id) as user_text,
        stripped(item_id) as item_text,
        stripped(rating) as rating_text,
        number_of(rating, has_comma) as number,
        stripped(timestamp) as time_text,
        deletion_of(deleted, timestamp, unit) as deletion,
        moment(timestamp, try_cast(timestamp as double) * micros_per_unit, unit, landed_at) as happened_at,
        landed_at + to_days($max_future_days) as latest
    from landed_ratings
    semi join faulty using (file_id, line)
    inner join column_formats using (file_id)
)
select
    'ratings',
    file_id,
    line,
    to_json({'user': user_id, 'item': item_id, 'rating': rating, 'timestamp': timestamp})::text,
    faults([
        id_fault(user_text, 'user id', $user_example),
        id_fault(item_text, 'item id', $item_example),
        deletion_fault(deletion),
        case
            when deletion != 'no' or is_not_rated(number, rating, $not_rated, $not_rated_words) then null
            when rating_text is null then 'rating is missing'
            else coalesce(
                number_fault(rating, 'rating', has_comma),
                case when number not between $rating_min and $rating_max then 'rating is outside the scale' end
            )
        end,
        case when deletion != 'always' then time_fault(time_text, happened_at, latest) end
    ])
from texts;
