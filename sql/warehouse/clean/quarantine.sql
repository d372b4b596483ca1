-- Fills the quarantine with all rejected rows: rows with faulty values, and lines that are no rows.
-- Inputs:  temp faulty_rows; raw_rejects, landed_files.
-- Output:  quarantine, replaced. `line` is the line of the file.
-- Grain:   one row per rejected row.
-- The `line` of a raw row does not count rejected lines before it, so that its line in the file is `line` + `before`.
delete from quarantine;

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
    inner join landed_files using (file_id)
)
select rejected.source, path, line, raw, reasons
from rejected
inner join landed_files using (file_id)
order by rejected.source, path, file_id, line;
