-- Reads one text file in UTF-8, everything as text.
-- Inputs:  $path; $compression, 'none' or 'gzip'; $header, whether the first line names the columns; $delimiter, up to
--          4 bytes; $quote, empty if quotes have no meaning; $columns, a struct of column names in the file's order
--          (ours, description_0 and so on for further ones to read, batch_number, any other name for one to ignore), all 'VARCHAR'.
-- Outputs: temp incoming, one row per readable line, in the file's order, our columns only;
--          temp rejected_lines (line, raw, reasons, quotes_broken), one row per unreadable line. Behind a line with
--          quotes_broken, rows may be missing: DuckDB may have read them as part of it.
create or replace temp table incoming as
select columns(
    '^(user_id|item_id|friend_id|rating|tag|event|value|weight|title|genres|head|relation|tail|timestamp|deleted|batch_number|description_\d+)$'
)
from read_csv(
    $path, compression = $compression, delim = $delimiter, columns = $columns, header = $header, auto_detect = false,
    quote = $quote, escape = $quote, strict_mode = true, store_rejects = true, hive_partitioning = false
);

create or replace temp table rejected_lines as
with faults as (
    select
        line,
        trim(csv_line, e'\r\n') as raw,
        case error_type
            when 'MISSING COLUMNS' then 'too few columns'
            when 'TOO MANY COLUMNS' then 'too many columns'
            when 'UNQUOTED VALUE' then 'broken quotes'
            when 'INVALID ENCODING' then 'not UTF-8'
            else lower(error_type)
        end as reason
    from reject_errors
)
select
    line,
    any_value(raw) as raw,
    list_sort(list_distinct(list(reason))) as reasons,
    bool_or(reason not in ('too few columns', 'too many columns') or contains(raw, e'\n')) as quotes_broken
from faults
group by line;

drop table reject_errors;
drop table reject_scans;
