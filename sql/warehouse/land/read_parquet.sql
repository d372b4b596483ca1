-- One Parquet file, everything as text.
-- In:  temp view parquet_rows, our columns of the file cast to text.
-- Out: temp incoming, one row per row of the file, in its order; temp rejected_lines, empty.
create or replace temp table incoming as
from parquet_rows;

create or replace temp table rejected_lines (line bigint, raw text, reasons text[], torn boolean);
