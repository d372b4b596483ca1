-- Sets the landing times that this machine's clock cannot have been right about: later than now, or years ago.
-- Inputs:  landed_files; $now; $first, the earliest time that is believed.
-- Output:  path, the file; landed_at, what was recorded. Landed_files is changed.
-- Grain:   one row per mended file.
-- An hour is let pass: clocks are set back by a little all the time.
create or replace temp table mended_files as
select file_id, path, landed_at
from landed_files
where landed_at > $now + interval 1 hour or landed_at < $first;

update landed_files
set landed_at = $now
where file_id in (select file_id from mended_files);

delete from clean_state
where exists (from mended_files);

select path, landed_at
from mended_files
order by path;
