-- Updates a landed content whose file now lies at another path, or is now of another kind.
-- Inputs:  $file_id, $path, $kind.
-- Output:  one row of landed_files is changed, if it differs.
update landed_files
set path = $path, kind = $kind
where file_id = $file_id and (path, kind) != ($path, $kind);
