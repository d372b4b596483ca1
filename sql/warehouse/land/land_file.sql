-- Keeps the rejected lines of the file that was just read, and records that it is landed.
-- In:  temp incoming, temp rejected_lines; the file's $file_id, $source, $path, $kind, $sha256, $size, $columns,
--      $landed_at, $reader. Out: adds to raw_rejects, one row per rejected line, and one row to landed_files.
insert into raw_rejects
select $file_id, line, raw, reasons
from rejected_lines
order by line;

insert into landed_files
select
    $file_id, $source, $path, $kind, $sha256, $size, $columns,
    (select count(*) from incoming) + (select count(*) from rejected_lines), $landed_at, $reader;

drop table incoming;
drop table rejected_lines;
