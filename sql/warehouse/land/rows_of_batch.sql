-- The rows of the files that were just read together, with their files' ids and their lines.
-- Inputs:  temp incoming, with batch_number, the place of the row's file in the lists; $file_ids; $starts, the number of rows
--          before those of the file.
-- Output:  temp macro rows_of_batch(): file_id, line (behind a header, so that the first row has 2), and the columns of
--          incoming.
-- Grain:   one row per row of incoming, in its order.
create or replace temp table batch_files as
select
    (row_number() over () - 1)::text as batch_number,
    file_id,
    start
from (select unnest($file_ids::integer[]) as file_id, unnest($starts::bigint[]) as start);

create or replace temp macro rows_of_batch() as table
    select file_id, incoming.rowid - (select min(rowid) from incoming) - start + 2 as line, incoming.* exclude (batch_number)
    from incoming
    inner join batch_files using (batch_number);
