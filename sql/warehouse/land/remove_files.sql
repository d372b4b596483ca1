-- Removes contents that are no longer live: replaced, their files gone, or to be read again.
-- Inputs:  $file_ids.
-- Output:  their rows are deleted from the raw tables and from landed_files.
delete from raw_ratings where file_id in (select unnest($file_ids::integer[]));
delete from raw_numeric_ratings where file_id in (select unnest($file_ids::integer[]));
delete from raw_tags where file_id in (select unnest($file_ids::integer[]));
delete from raw_numeric_tags where file_id in (select unnest($file_ids::integer[]));
delete from raw_events where file_id in (select unnest($file_ids::integer[]));
delete from raw_numeric_events where file_id in (select unnest($file_ids::integer[]));
delete from raw_items where file_id in (select unnest($file_ids::integer[]));
delete from raw_users where file_id in (select unnest($file_ids::integer[]));
delete from raw_links where file_id in (select unnest($file_ids::integer[]));
delete from raw_relations where file_id in (select unnest($file_ids::integer[]));
delete from raw_rejects where file_id in (select unnest($file_ids::integer[]));
delete from landed_files where file_id in (select unnest($file_ids::integer[]));
