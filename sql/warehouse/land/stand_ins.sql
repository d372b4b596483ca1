-- Hashes under which a landed content is known, too: recs forget has rewritten its file, which is no new delivery then.
-- Inputs:  rewritten_files, landed_files.
-- Output:  sha256, landed_sha256.
-- Grain:   one row per hash that is not landed itself, and landed content that it stands for.
select sha256, was_sha256 as landed_sha256
from rewritten_files
where
    was_sha256 in (select sha256 from landed_files)
    and sha256 not in (select sha256 from landed_files)
union
select was_sha256, sha256
from rewritten_files
where
    sha256 in (select sha256 from landed_files)
    and was_sha256 not in (select sha256 from landed_files);
