-- Deletes the marked rows, and counts them as forgotten in landed_files, so that its rows still add up.
-- Inputs:  temp gone_rows.
-- Outputs: the raw tables and raw_rejects have fewer rows; clean_state is empty, so that the next night cleans anew.
update landed_files
set forgotten = coalesce(landed_files.forgotten, 0) + counted.n
from (select file_id, count(*) as n from gone_rows group by file_id) as counted
where landed_files.file_id = counted.file_id;

delete from raw_ratings
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'ratings');

delete from raw_numeric_ratings
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'ratings');

delete from raw_tags
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'tags');

delete from raw_numeric_tags
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'tags');

delete from raw_events
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'events');

delete from raw_numeric_events
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'events');

delete from raw_items
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'items');

delete from raw_users
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'users');

delete from raw_links
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'links');

delete from raw_relations
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'relations');

delete from raw_rejects
where (file_id, line) in (select (file_id, line) from gone_rows where source = 'rejects');

delete from clean_state;
