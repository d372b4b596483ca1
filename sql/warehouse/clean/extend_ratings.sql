-- Adds the ratings of new files to those that are clean already. Only runs if nothing was ever deleted.
-- Inputs:  ratings; temp valid_ratings, of the new files, file_order and repeat_counts (histories.sql); $past_duplicates, the
--          duplicates that the clean ratings come from.
-- Outputs: ratings, with the rows that clean_ratings.sql would make of all files, the new ones at the end; a row of
--          repeat_counts; conflicts, one row: how many new rows have pair and time of a clean one and another rating. Which of
--          them wins depends on their files, so that all must be cleaned then.
-- Grain:   as of clean_ratings.sql.
create or replace temp table touched_ratings as
select ratings.rowid as place, ratings.*
from ratings
semi join valid_ratings using (user_id, item_id);

create or replace temp table rating_conflicts as
select count(*) as conflicts
from valid_ratings as new
inner join touched_ratings as old
    on new.user_id = old.user_id and new.item_id = old.item_id and new.rated_at = old.rated_at
    and new.is_not_rated = (old.rating is null)
where new.rating is distinct from old.rating;

create or replace temp table extended_ratings as
with rows as (
    select user_id, item_id, rating, rated_at, 0 as position, 0 as line
    from touched_ratings
    union all
    select user_id, item_id, rating, rated_at, position, line
    from valid_ratings
    inner join file_order using (file_id)
)
select
    user_id,
    item_id,
    rating,
    rated_at,
    lead(rated_at) over (
        partition by user_id, item_id, rating is null order by rated_at, position, line
    ) as superseded_at
from rows;

insert into repeat_counts (source, duplicates)
select
    'ratings',
    $past_duplicates
    - (select count(superseded_at) from touched_ratings)
    + (select count(superseded_at) from extended_ratings);

delete from ratings
where rowid in (select place from touched_ratings);

insert into ratings by name
from extended_ratings
where superseded_at is null or superseded_at > rated_at;

drop table touched_ratings;
drop table extended_ratings;

from rating_conflicts;
