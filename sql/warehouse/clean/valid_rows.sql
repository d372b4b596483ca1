-- The typed rows without faults, their hashes, and the order of their files.
-- Inputs:  temp read_ratings, read_events; landed_files.
-- Outputs: temp file_order (file_id, position); temp views valid_ratings, valid_events; temp views rating_hashes, event_hashes
--          (hash), in which rows have the same hash that may supersede or equal each other.
-- Grain:   one row per file; one per valid row.
-- Among rows with the same time, the later line of the later file wins. Increments are later than the other files; files of a
-- kind are ordered by path, then by landing, so that the order in which a night finds them does not matter.
create or replace temp table file_order as
select file_id, row_number() over (order by kind = 'increment', path, file_id) as position
from landed_files;

create or replace temp view valid_ratings as
from read_ratings
where
    user_id is not null and item_id is not null and (rating is not null or is_not_rated) and rated_at is not null
    and deletion = 'no';

create or replace temp view valid_events as
from read_events
where
    user_id is not null and item_id is not null and event is not null and value is not null
    and happened_at is not null and deletion = 'no';

create or replace temp view rating_hashes as
select hash(user_id, item_id, is_not_rated) as hash from valid_ratings;

create or replace temp view event_hashes as
select hash(user_id, item_id, event, value, happened_at) as hash from valid_events;
