-- Removes a content that is no longer live: it was replaced, its file is gone, or it is to be read again.
-- Inputs:  $file_id.
-- Output:  its rows are deleted from the raw tables and from landed_files.
delete from raw_ratings where file_id = $file_id;
delete from raw_tags where file_id = $file_id;
delete from raw_events where file_id = $file_id;
delete from raw_items where file_id = $file_id;
delete from raw_users where file_id = $file_id;
delete from raw_links where file_id = $file_id;
delete from raw_relations where file_id = $file_id;
delete from raw_rejects where file_id = $file_id;
delete from landed_files where file_id = $file_id;
