-- Reads one plain text file in UTF-8 whose ids and times are whole numbers, as numbers. A line with any other value is
-- left out: an error would end the transaction.
-- Inputs:  $path; $header, whether the first line names the columns; $delimiter; $columns, a struct of our names of the file's
--          columns, in its order: 'BIGINT' for ids and times, 'VARCHAR' for the others.
-- Outputs: temp incoming, one row per such line, in the file's order; temp rejected_lines, empty.
create or replace temp table incoming as
from read_csv(
    $path, compression = 'none', delim = $delimiter, columns = $columns, header = $header, auto_detect = false,
    quote = '', escape = '', strict_mode = true, ignore_errors = true, hive_partitioning = false
);

create or replace temp table rejected_lines (line bigint, raw text, reasons text[], quotes_broken boolean);
