-- Finds out how each file writes its ids, times and numbers, from its first 10,000 rows.
-- Inputs:  the raw tables; landed_files; $without_times, the sources without times; $files, the ids of the files to type; the
--          macros of rejection_reasons.sql.
-- Output:  temp column_formats (file_id, source, path, landed_at,
--          unit: of numeric times, second, millisecond, microsecond or nanosecond since 1970, by the median's size;
--          date, where nearly all times are written as 20260131, moment, where as 202601312000 or 20260131200000;
--          none, where there are no times;
--          micros_per_unit: null for date, moment and none;
--          user_is_float, item_is_float: whether all ids are written as 17.0, those of friends too;
--          has_comma: whether the ratings, the values of events, or the weights of links have decimal commas);
--          temp files_to_type, its rows of the files to type.
-- Grain:   one row per file.
-- Numbers below 1e8 do not count: in seconds they lie before 1973, and 0 often stands for no time.
-- A comma is a decimal one if a number of the file has one that cannot separate thousands, and none has a point.
create or replace temp table column_formats as
with first_rows as (
    select file_id, user_id, item_id, timestamp, rating as number from landed_ratings where line <= 10001
    union all
    select file_id, user_id, item_id, timestamp, null from landed_tags where line <= 10001
    union all
    select file_id, user_id, item_id, timestamp, value from landed_events where line <= 10001
    union all
    select file_id, null, item_id, null, null from raw_items where line <= 10001
    union all
    select file_id, user_id, null, null, null from raw_users where line <= 10001
    union all
    select file_id, user_id, null, timestamp, weight from raw_links where line <= 10001
    union all
    select file_id, friend_id, null, null, null from raw_links where line <= 10001
),
columns as (
    select
        file_id,
        value_of(user_id) as user_id,
        value_of(item_id) as item_id,
        value_of(timestamp) as moment,
        value_of(number) as number
    from first_rows
),
sizes as (
    select
        file_id,
        bool_and(user_id != without_fraction(user_id)) as user_is_float,
        bool_and(item_id != without_fraction(item_id)) as item_is_float,
        avg((date_of(moment) is not null)::integer) filter (moment is not null) >= 0.95 as are_dates,
        max(length(moment)) filter (date_of(moment) is not null) > 8 as have_hours,
        bool_or(is_certain_comma_number(number))
        and not bool_or(contains(number, '.') and try_cast(number as double) is not null) as has_comma,
        quantile_disc(abs(try_cast(moment as double)), 0.5) filter (
            isfinite(try_cast(moment as double)) and abs(try_cast(moment as double)) >= 1e8
        ) as typical
    from columns
    group by file_id
)
select
    file_id,
    source,
    path,
    landed_at,
    coalesce(user_is_float, false) as user_is_float,
    coalesce(item_is_float, false) as item_is_float,
    coalesce(has_comma, false) as has_comma,
    case
        when list_contains($without_times::text[], source) then 'none'
        when are_dates and have_hours then 'moment'
        when are_dates then 'date'
        when typical >= 1e17 then 'nanosecond'
        when typical >= 1e14 then 'microsecond'
        when typical >= 1e11 then 'millisecond'
        else 'second'
    end as unit,
    case unit when 'second' then 1e6 when 'millisecond' then 1e3 when 'microsecond' then 1 when 'nanosecond' then 1e-3 end
        as micros_per_unit
from landed_files
left join sizes using (file_id);

create or replace temp table files_to_type as
from column_formats
where file_id in (select unnest($files::integer[]));
