-- Records that a file is landed, and keeps the rejected lines of the file that was just read.
-- Inputs:  temp incoming, temp rejected_lines, both dropped at the end; the file's $file_id, $source, $path, $kind,
--          $sha256, $size, $columns, $landed_at, $reader, $ignored (the columns that are not read); $forgotten, the rows
--          and lines that were refused, and $forgotten_lines, those lines, which temp rejected_lines lacks already.
-- Outputs: one row per rejected line is added to raw_rejects, one row to landed_files.
insert into raw_rejects
select $file_id, line, raw, reasons
from rejected_lines
order by line;

insert into landed_files (
    file_id, source, path, kind, sha256, size, columns, rows, landed_at, reader, ignored_columns, forgotten
)
select
    $file_id, $source, $path, $kind, $sha256, $size, $columns,
    (select count(*) from incoming) + (select count(*) from rejected_lines) + $forgotten_lines,
    $landed_at, $reader, $ignored::text[], $forgotten;

drop table incoming;
drop table rejected_lines;
