-- Drops the typed rows of users' actions, and their histories, once the clean tables are built.
-- Inputs:  the temporary tables of type_*.sql and histories.sql.
-- Output:  none.
drop view rating_history;
drop view event_history;
drop view rating_hashes;
drop view event_hashes;
drop view valid_ratings;
drop view valid_events;
drop table read_ratings;
drop table read_tags;
drop table read_events;
drop table tag_history;
drop table deletions;
drop table repeated_ratings;
drop table repeated_events;
drop table repeated_rating_history;
drop table repeated_event_history;
drop table if exists ended_ratings;
drop table if exists ended_events;
