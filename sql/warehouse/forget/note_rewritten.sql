-- Notes what an increment will be once it is rewritten. It runs before the file is replaced.
-- Inputs:  $was_sha256, the hash of the file as it is; $sha256 and $size of the file that replaces it.
-- Output:  at most one row is added to rewritten_files.
insert into rewritten_files
select $was_sha256, $sha256, $size
where ($was_sha256, $sha256) not in (select (was_sha256, sha256) from rewritten_files);
