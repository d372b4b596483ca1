-- A content that is no longer live: replaced, gone, or to be read again with other columns.
-- In: $file_id. Out: removes its rows from the raw tables and from landed_files.
delete from raw_ratings where file_id = $file_id;
delete from raw_tags where file_id = $file_id;
delete from raw_events where file_id = $file_id;
delete from raw_items where file_id = $file_id;
delete from raw_rejects where file_id = $file_id;
delete from landed_files where file_id = $file_id;
