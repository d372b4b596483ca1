-- The columns of increments that no earlier file of their source had, and that nothing reads.
-- Inputs:  landed_files; $after: the files with a greater file_id landed tonight.
-- Output:  path, of the first file with such columns; columns, their names.
-- Grain:   one row per source and path with a new column, ordered by path; a column is named once per source.
with columns as (
    select source, path, kind, file_id, unnest(ignored_columns) as name
    from landed_files
),
firsts as (
    select source, name, min(path) as path
    from columns
    group by source, name
    having min(file_id) > $after and bool_and(kind = 'increment')
)
select path, list(name order by name) as columns
from firsts
group by source, path
order by path;
