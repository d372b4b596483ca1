-- Adds the tags of new files to those that are clean already. Only runs if nothing was ever deleted.
-- Inputs:  tags; temp tag_history, of the new files, and repeat_counts (histories.sql); $past_duplicates, the duplicates that
--          the clean tags come from.
-- Outputs: tags, with the rows that clean_tags.sql would make of all files, the new ones at the end; a row of repeat_counts.
-- Grain:   as of clean_tags.sql. Rows of one user, item, tag and time are alike: it does not matter which of them is kept.
create or replace temp table touched_tags as
select tags.rowid as place, tags.*
from tags
semi join tag_history using (user_id, item_id, tag);

create or replace temp table extended_tags as
with rows as (
    select user_id, item_id, tag, tagged_at from touched_tags
    union all
    select user_id, item_id, tag, tagged_at from tag_history
)
select
    user_id,
    item_id,
    tag,
    tagged_at,
    lead(tagged_at) over (partition by user_id, item_id, tag order by tagged_at) as superseded_at
from rows;

insert into repeat_counts (source, duplicates, new_pairs)
select
    'tags',
    $past_duplicates
    - (select count(superseded_at) from touched_tags)
    + (select count(superseded_at) from extended_tags),
    (select count(*) from (select distinct user_id, item_id from tag_history) anti join tags using (user_id, item_id));

delete from tags
where rowid in (select place from touched_tags);

insert into tags by name
from extended_tags
where superseded_at is null or superseded_at > tagged_at;

drop table touched_tags;
drop table extended_tags;
