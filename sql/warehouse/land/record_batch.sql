-- Records that files which were read together are landed. None of their lines was rejected.
-- Inputs:  temp incoming, temp rejected_lines, temp batch_files, dropped at the end; $file_ids, $paths, $kinds, $hashes,
--          $sizes, $rows, $forgotten (the rows that were refused) and $landed_at,
--          lists of one length; their $source, $columns, $reader, $ignored (the columns that
--          are not read).
-- Output:  one row per file is added to landed_files.
insert into landed_files (
    file_id, source, path, kind, sha256, size, columns, rows, landed_at, reader, ignored_columns, forgotten
)
select file_id, $source, path, kind, sha256, size, $columns, n_rows, landed_at, $reader, $ignored::text[], n_forgotten
from (
    select
        unnest($file_ids::integer[]) as file_id,
        unnest($paths::text[]) as path,
        unnest($kinds::text[]) as kind,
        unnest($hashes::text[]) as sha256,
        unnest($sizes::bigint[]) as size,
        unnest($rows::bigint[]) as n_rows,
        unnest($forgotten::bigint[]) as n_forgotten,
        unnest($landed_at::timestamp[]) as landed_at
);

drop table incoming;
drop table rejected_lines;
drop table batch_files;
