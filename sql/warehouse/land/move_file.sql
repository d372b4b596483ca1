-- A landed content that now lies at another path, or is now of another kind.
-- In: $file_id, $path, $kind. Out: changes one row of landed_files, where it differs.
update landed_files
set path = $path, kind = $kind
where file_id = $file_id and (path, kind) != ($path, $kind);
