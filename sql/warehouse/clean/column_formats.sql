-- Finds out how each file writes its ids and numeric times, from its first 10,000 rows.
-- Inputs:  the raw tables; landed_files; $without_times, the sources without times; the macros of rejection_reasons.sql.
-- Output:  temp column_formats (file_id, source, path, landed_at,
--          unit: of numeric times, second, millisecond, microsecond or nanosecond since 1970, by the median's size; date,
--          where all times are written as 20260131; none, where there are no times;
--          micros_per_unit: null for date and none;
--          user_is_float, item_is_float: whether all ids are written as 17.0).
-- Grain:   one row per file.
-- Numbers below 1e8 do not count: in seconds they lie before 1973, and 0 often stands for no time.
create or replace temp table column_formats as
with first_rows as (
    select file_id, user_id, item_id, timestamp from raw_ratings where line <= 10001
    union all
    select file_id, user_id, item_id, timestamp from raw_tags where line <= 10001
    union all
    select file_id, user_id, item_id, timestamp from raw_events where line <= 10001
    union all
    select file_id, null, item_id, null from raw_items where line <= 10001
),
columns as (
    select
        file_id,
        case when not is_no_value(stripped(user_id)) then stripped(user_id) end as user_id,
        case when not is_no_value(stripped(item_id)) then stripped(item_id) end as item_id,
        stripped(timestamp) as moment
    from first_rows
),
sizes as (
    select
        file_id,
        bool_and(user_id != without_fraction(user_id)) as user_is_float,
        bool_and(item_id != without_fraction(item_id)) as item_is_float,
        bool_and(regexp_full_match(moment, '(19|20)[0-9]{6}') and date_of(moment) is not null) as are_dates,
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
    case
        when list_contains($without_times::text[], source) then 'none'
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
