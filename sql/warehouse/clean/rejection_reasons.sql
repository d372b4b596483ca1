-- Macros that turn one text value into an id, a time or a number, or name its fault.
-- Inputs:  none.
-- Outputs: temporary macros; temp faulty_rows, empty, to which the type_*.sql files add.
-- A macro repeats an argument wherever it uses it. So pass columns of a CTE, not expressions: else planning takes long.
-- A macro *_fault returns null for a valid value. Its parameters:
--   example   any value of the type that the ids are to have
--   latest    the latest time that a file can contain: that of its landing plus $max_future_days
--   unit, is_float, has_comma   how the file writes times, ids and other numbers, see column_formats.sql
--   micros    a numeric time in microseconds since 1970
-- Numbers such as 7.65E+16 have lost digits: Excel shows long numbers so, and saves them so in CSV; with a comma where
-- numbers are written so.
-- White space is blank, tab to carriage return, no-break space and byte order mark. Most values have none, so that the
-- regular expression comes first: it is faster than to trim.
create or replace temp macro stripped(x) as case
    when regexp_full_match(x, '[!-~]+') then x
    else nullif(
        trim(x, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160) || chr(65279)), ''
    )
end;

create or replace temp macro is_integer(x) as coalesce(try_cast(x as bigint)::text = x, false);

-- Words that programs write where there is no value, among them all that pandas reads so, and Excel's errors.
create or replace temp macro is_no_value(x) as x in (
    'NULL', 'Null', 'null', 'NONE', 'None', 'none', 'NAN', 'NaN', 'Nan', 'nan', '-NaN', '-nan', 'NaT', 'NIL', 'nil',
    'NA', 'N/A', 'n/a', 'undefined', '\N',
    '[NULL]', '[Null]', '[null]', '(NULL)', '(Null)', '(null)', '<NULL>', '<Null>', '<null>', '[None]', '[none]',
    '(None)', '(none)', '<None>', '<none>', '[NA]', '(NA)', '<NA>', '1.#IND', '-1.#IND', '1.#QNAN', '-1.#QNAN',
    '#N/A', '#N/A N/A', '#NA', '#NV', '#VALUE!', '#REF!', '#NAME?', '#NULL!', '#DIV/0!', '#NUM!'
);

-- The stripped text, null where it is such a word.
create or replace temp macro value_of(x) as case when not is_no_value(stripped(x)) then stripped(x) end;

create or replace temp macro is_rounded(x, digits) as case
    when contains(x, '+') then regexp_full_match(x, '-?[0-9]([.,][0-9]{1,' || digits || '})?[eE]\+[0-9]{2,3}')
    else false
end;

-- Three digits behind a comma may be thousands: only ,0 is a fraction for certain.
create or replace temp macro without_fraction(x) as regexp_replace(x, '^(-?[0-9]+)(\.0+|,0)$', '\1');

create or replace temp macro text_fault(x, name) as case
    when x is null then name || ' is missing'
    when contains(x, chr(0)) then name || ' holds a NUL character'
    when is_no_value(x) then name || ' is missing: it says ' || x
end;

-- An id on its way into a column. Text is stripped first and once. Integers need no stripping, most of them.
create or replace temp macro id_text(x, example) as case
    when typeof(example) = 'BIGINT' then x else stripped(x)
end;

create or replace temp macro integer_text(x) as case when is_integer(x) then x end;

create or replace temp macro id_of(id_text, example, is_float) as case
    when typeof(example) != 'BIGINT' then cast_to_type(
        case
            when contains(id_text, chr(0)) or is_no_value(id_text) or is_rounded(id_text, 20) then null
            when is_float then without_fraction(id_text)
            else id_text
        end,
        example
    )
    when is_integer(id_text) then cast_to_type(id_text, example)
    else cast_to_type(integer_text(without_fraction(stripped(id_text))), example)
end;

-- x is the stripped text.
create or replace temp macro id_fault(x, name, example) as case
    when x is null then name || ' is missing'
    when contains(x, chr(0)) then name || ' holds a NUL character'
    when is_no_value(x) then name || ' is missing: it says ' || x
    when is_rounded(x, 20) then name || ' was rounded, as Excel does with long numbers'
    when typeof(example) = 'BIGINT' and not is_integer(without_fraction(x)) then name || ' is not an integer'
end;

-- Dates without marks between their parts, and without or with hours, minutes and seconds.
create or replace temp macro date_of(x) as case
    when regexp_full_match(x, '(19|20)[0-9]{6}([0-9]{4}([0-9]{2})?)?')
        then try_strptime(x, ['%Y%m%d', '%Y%m%d%H%M', '%Y%m%d%H%M%S'])
end;

-- In a file of milliseconds, a number that would lie before 1973 is one of seconds, and is not guessed.
create or replace temp macro moment(x, micros, unit, landed_at) as coalesce(
    make_timestamp(case when abs(micros) < 1e17 and (unit = 'second' or micros >= 1e14) then round(micros)::bigint end),
    case when unit in ('date', 'moment') then date_of(stripped(x)) when unit = 'none' then landed_at end,
    try_cast(trim(x) as timestamptz) at time zone 'UTC'
);

-- The text of a numeric time for `moment`, where that needs it: the text of most numbers is not looked at.
create or replace temp macro text_of_time(number, micros, unit) as
    case when abs(micros) < 1e17 and (unit = 'second' or micros >= 1e14) then null else number::text end;

create or replace temp macro is_year_last(x) as
    regexp_matches(x, '^[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{2,4}\b');

create or replace temp macro time_fault(x, parsed, latest) as case
    when is_rounded(x, 6) then 'timestamp was rounded, as Excel does with long numbers'
    when parsed is null then case
        when x is null then 'timestamp is missing'
        when is_no_value(x) then 'timestamp is missing: it says ' || x
        when is_year_last(x) then 'timestamp has its year last: day and month could be either way round'
        when try_cast(x as double) >= 1e8 then 'timestamp is a number of another unit than most of its file'
        else 'timestamp is not a time'
    end
    when parsed < timestamp '1970-01-02' then case
        when is_year_last(x) then 'timestamp has its year last: day and month could be either way round'
        else 'timestamp is before 1970-01-02'
    end
    when parsed >= timestamp '2200-01-01' then 'timestamp is after 2199'
    when parsed > latest then 'timestamp lies in the future'
end;

-- A number with a decimal comma: a fraction, which may follow a sign, and an exponent may follow.
create or replace temp macro is_comma_number(x) as
    regexp_full_match(x, '[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?');

-- One that cannot be an integer with thousands separated, as 1,250 could.
create or replace temp macro is_certain_comma_number(x) as
    is_comma_number(x) and not regexp_full_match(x, '[+-]?[1-9][0-9]{0,2},[0-9]{3}');

create or replace temp macro number_of(x, has_comma) as case
    when not has_comma then try_cast(x as double)
    when not contains(x, '.') then try_cast(replace(x, ',', '.') as double)
end;

create or replace temp macro number_fault(x, name, has_comma) as case
    when is_no_value(stripped(x)) then name || ' is missing: it says ' || stripped(x)
    when number_of(x, has_comma) is null then case
        when has_comma and try_cast(x as double) is not null
            then name || ' has a decimal point, and its file decimal commas'
        when is_comma_number(stripped(x)) then name || ' has a comma, for decimals or for thousands'
        else name || ' is not a number'
    end
    when not isfinite(number_of(x, has_comma)) then name || ' is not finite'
end;

-- Whether a row deletes: 'no'; 'at' its time; 'always', if it has none; 'neither' where the text says neither yes nor no.
-- Few rows delete. DuckDB computes what a statement says twice once for all rows, outside its `case`: so the time of the
-- others is hidden from value_of.
create or replace temp macro deletion_of(x, moment, unit) as case
    when x is null then 'no'
    when lower(stripped(x)) in ('1', '1.0', 'true', 't', 'yes', 'y', 'x', 'deleted')
        then case when unit = 'none' or value_of(case when x is not null then moment end) is null then 'always' else 'at' end
    when value_of(x) is null or lower(stripped(x)) in ('0', '0.0', 'false', 'f', 'no', 'n') then 'no'
    else 'neither'
end;

create or replace temp macro deletion_fault(deletion) as
    case when deletion = 'neither' then 'deleted says neither yes nor no' end;

create or replace temp macro faults(reasons) as list_filter(reasons, lambda reason: reason is not null);

create or replace temp table faulty_rows (
    source text, file_id integer, line bigint, raw text, reasons text[]
);
