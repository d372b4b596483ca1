-- Keeps the rows that were just read as rows of a tags file.
-- In:  temp incoming; $file_id; $first_line, the line of the file's first row. Out: adds to raw_tags, one row per row.
insert into raw_tags by name
select $file_id as file_id, rowid - (select min(rowid) from incoming) + $first_line as line, *
from incoming;
