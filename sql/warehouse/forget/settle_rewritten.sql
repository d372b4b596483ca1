-- Records contents under the hashes of their rewritten files.
-- Inputs:  $present, the hashes of the increments as they are now; rewritten_files, landed_files.
-- Outputs: landed_files has the hash and the size of the file that is there; rewritten_files leads from all earlier
--          hashes to it.
create or replace temp table settled as
select was_sha256, sha256, size
from rewritten_files
where
    sha256 in (select unnest($present::text[]))
    and was_sha256 in (select sha256 from landed_files)
    and sha256 not in (select sha256 from landed_files);

update landed_files
set sha256 = settled.sha256, size = settled.size
from settled
where landed_files.sha256 = settled.was_sha256;

update rewritten_files
set sha256 = settled.sha256, size = settled.size
from settled
where rewritten_files.sha256 = settled.was_sha256;

drop table settled;
