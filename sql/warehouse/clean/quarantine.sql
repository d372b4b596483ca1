-- Fills the quarantine with the rejected rows of the files to type: rows with faulty values, and lines that are no rows.
-- Inputs:  temp faulty_rows, files_to_type; raw_rejects, landed_files; $rebuilt, the sources of which all files are typed.
-- Output:  quarantine, replaced for those sources; rows are added for the others. `line` is the line of the file.
-- Grain:   one row per rejected row.
-- The `line` of a raw row does not count rejected lines before it, so that its line in the file is `line` + `before`.
delete from quarantine
where source in (select unnest($rebuilt::text[]));

insert into quarantine
with shifts as (
    select file_id, line - position as below, max(position) as before
    from (
        select file_id, line, row_number() over (partition by file_id order by line) as position
        from raw_rejects
    )
    group by all
),
rejected as (
    select faulty.source, faulty.file_id, faulty.line + coalesce(before, 0) as line, raw, reasons
    from faulty_rows as faulty
    asof left join shifts on faulty.file_id = shifts.file_id and faulty.line > below
    union all
    select source, file_id, line, raw, reasons
    from raw_rejects
    inner join files_to_type using (file_id)
)
select rejected.source, path, line, raw, reasons
from rejected
inner join landed_files using (file_id)
order by rejected.source, path, file_id, line;
