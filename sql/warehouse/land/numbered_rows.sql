-- The rows of the file that was just read, with its id and their lines: what is inserted into the raw table of its
-- source.
-- Inputs:  temp incoming.
-- Output:  temp macro numbered_rows(of_file, first_line): file_id, line, and the columns of incoming. `first_line` is
--          the line of the file's first row.
-- Grain:   one row per row of incoming, in its order.
create or replace temp macro numbered_rows(of_file, first_line) as table
    select of_file as file_id, rowid - (select min(rowid) from incoming) + first_line as line, *
    from incoming;
