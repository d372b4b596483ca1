-- Adds the lines whose quotes are broken, which tasks/ingestion/csv_repair.py found.
-- Inputs:  $lines, $raws, lists of one length.
-- Output:  one row per line is added to temp rejected_lines.
insert into rejected_lines
select unnest($lines::bigint[]), unnest($raws::text[]), ['broken quotes'], false;
