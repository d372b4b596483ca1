-- Types the raw ratings; a value with a fault becomes null.
-- Inputs:  raw_ratings, landed_files; $rating_min, $rating_max; $max_future_days; $user_example, $item_example (values
--          of the ids' types).
-- Outputs: temp read_ratings; the faulty rows are added to temp faulty_rows.
-- Grain:   one row per raw row.
create or replace temp table read_ratings as
with typed as (
    select
        file_id,
        line,
        id_of(user_id, $user_example) as user_id,
        id_of(item_id, $item_example) as item_id,
        try_cast(rating as double) as rating,
        moment(timestamp) as rated_at,
        timestamp,
        landed_at + to_days($max_future_days) as latest
    from raw_ratings
    inner join landed_files using (file_id)
)
select
    file_id,
    line,
    user_id,
    item_id,
    case when rating between $rating_min and $rating_max then rating end as rating,
    case when time_fault(timestamp, rated_at, latest) is null then rated_at end as rated_at
from typed;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_ratings
    where user_id is null or item_id is null or rating is null or rated_at is null
)
select
    'ratings',
    file_id,
    line,
    to_json({'user': user_id, 'item': item_id, 'rating': rating, 'timestamp': timestamp})::text,
    faults([
        id_fault(stripped(user_id), 'user id', $user_example),
        id_fault(stripped(item_id), 'item id', $item_example),
        case
            when stripped(rating) is null then 'rating is missing'
            when number_fault(rating, 'rating') is not null then number_fault(rating, 'rating')
            when try_cast(rating as double) not between $rating_min and $rating_max
                then 'rating is outside the scale'
        end,
        time_fault(stripped(timestamp), moment(timestamp), landed_at + to_days($max_future_days))
    ])
from raw_ratings
semi join faulty using (file_id, line)
inner join landed_files using (file_id);
