-- Builds the ratings, as schema.sql describes them, from the typed rows without faults.
-- Inputs:  temp rating_history, deletions (histories.sql, deletions.sql); temp repeat_counts.
-- Outputs: ratings, replaced, in no order: sorting takes long, and no reader needs it; a row of repeat_counts.
-- Grain:   one row per user, item and time (one that is rated and one that is not, if there are both).
create or replace table ratings as
select * exclude (is_deleted)
from rating_history
where superseded_at is null or superseded_at > rated_at;

-- Rows that nothing supersedes are not counted, so that the view need not find them again.
insert into repeat_counts (source, duplicates, deleted, deletions)
select
    'ratings',
    count(superseded_at) filter (not is_deleted),
    count(*) filter (is_deleted),
    (select count(*) from deletions where source = 'ratings')
from rating_history
where superseded_at is not null;
