-- Reads one file of JSON lines in UTF-8: each line that is a JSON object. Empty lines are passed over.
-- Inputs:  $path, the file, unpacked.
-- Outputs: temp json_lines (body), in the file's order; temp rejected_lines as read_csv.sql makes it: the other lines.
create or replace temp table text_lines as
select line, body, case when json_valid(body) then json_type(body) = 'OBJECT' else false end as is_object
from (
    select row_number() over () as line, trim(body, e' \t\r\n\ufeff') as body
    from read_csv(
        $path, compression = 'none', delim = e'\x01', columns = {'body': 'VARCHAR'}, header = false,
        auto_detect = false, quote = '', escape = '', strict_mode = false, max_line_size = 33554432,
        hive_partitioning = false
    )
);

create or replace temp table json_lines as
select body
from text_lines
where is_object
order by line;

create or replace temp table rejected_lines as
select line::bigint as line, body as raw, ['no JSON object'] as reasons, false as quotes_broken
from text_lines
where body != '' and not is_object;

drop table text_lines;
