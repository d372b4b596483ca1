-- The values of the file that was just read which name somebody or something forgotten; none at first.
-- Inputs:  none; tasks/ingestion/refused_rows.py adds rows.
-- Outputs: temp refused_values, one row per id column and value; temp macro is_refused(id_column, value).
create or replace temp table refused_values (id_column text, value text);

create or replace temp macro is_refused(in_column, x) as exists (
    from refused_values
    where id_column = in_column and value = x
);
