-- Macros that turn one text value into an id, a time or a number, or name its fault.
-- Inputs:  none.
-- Outputs: temporary macros; temp faulty_rows, empty, to which the read_*.sql files add.
-- A macro *_fault returns null for a valid value. Its parameters:
--   example   any value of the type that the ids are to have
--   latest    the latest time that a file can contain: that of its landing plus $max_future_days
-- Numeric times are told apart by size: seconds up to 1e11, milliseconds up to 1e14, microseconds up to 1e17, since
-- 1970.
-- White space is blank, tab to carriage return, no-break space and byte order mark. Most values have none, so that the
-- regular expression comes first: it is faster than to trim.
create or replace temp macro stripped(x) as case
    when regexp_full_match(x, '[!-~]+') then x
    else nullif(
        trim(x, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160) || chr(65279)), ''
    )
end;

create or replace temp macro is_integer(x) as coalesce(try_cast(x as bigint)::text = x, false);

create or replace temp macro text_fault(x, name) as case
    when x is null then name || ' is missing'
    when contains(x, chr(0)) then name || ' holds a NUL character'
end;

create or replace temp macro id_fault(x, name, example) as coalesce(
    text_fault(x, name),
    case when typeof(example) = 'BIGINT' and not is_integer(x) then name || ' is not an integer' end
);

-- An integer needs no stripping; most ids take this fast path.
create or replace temp macro id_of(x, example) as case
    when typeof(example) = 'BIGINT' and is_integer(x) then cast_to_type(x, example)
    else cast_to_type(case when id_fault(stripped(x), '', example) is null then stripped(x) end, example)
end;

create or replace temp macro epoch_micros(x) as case
    when abs(x) < 1e11 then x * 1e6
    when abs(x) < 1e14 then x * 1e3
    when abs(x) < 1e17 then x
end;

create or replace temp macro moment(x) as coalesce(
    make_timestamp(round(epoch_micros(try_cast(x as double)))::bigint),
    try_cast(trim(x) as timestamptz) at time zone 'UTC'
);

create or replace temp macro time_fault(x, parsed, latest) as case
    when x is null then 'timestamp is missing'
    when parsed is null then 'timestamp is not a time'
    when parsed < timestamp '1970-01-02' then 'timestamp is before 1970-01-02'
    when parsed >= timestamp '2200-01-01' then 'timestamp is after 2199'
    when parsed > latest then 'timestamp lies in the future'
end;

create or replace temp macro number_fault(x, name) as case
    when try_cast(x as double) is null then name || ' is not a number'
    when not isfinite(try_cast(x as double)) then name || ' is not finite'
end;

create or replace temp macro faults(reasons) as list_filter(reasons, lambda reason: reason is not null);

create or replace temp table faulty_rows (
    source text, file_id integer, line bigint, raw text, reasons text[]
);
