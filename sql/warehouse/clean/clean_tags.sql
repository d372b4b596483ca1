-- Builds the tags, as schema.sql describes them, from the typed rows without faults.
-- Inputs:  temp tag_history, deletions (histories.sql, deletions.sql); temp repeat_counts.
-- Outputs: tags, replaced, in no order; a row of repeat_counts.
-- Grain:   one row per user, item, tag and time.
create or replace table tags as
select * exclude (is_deleted)
from tag_history
where superseded_at is null or superseded_at > tagged_at;

insert into repeat_counts (source, duplicates, deleted, deletions)
select
    'tags',
    count(superseded_at) filter (not is_deleted),
    count(*) filter (is_deleted),
    (select count(*) from deletions where source = 'tags')
from tag_history;
