-- Reads one Parquet file, everything as text.
-- Inputs:  temp view parquet_rows, our columns of the file cast to text.
-- Outputs: temp incoming; temp rejected_lines, empty.
-- Grain:   one row per row of the file, in its order.
create or replace temp table incoming as
from parquet_rows;

create or replace temp table rejected_lines (line bigint, raw text, reasons text[], quotes_broken boolean);
