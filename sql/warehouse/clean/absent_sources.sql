-- Makes the typed tables of the sources that have no files to type, so that their statements need not be planned: that takes a
-- tenth of a second each. Sources that have some replace theirs afterwards.
-- Inputs:  raw_ratings, raw_tags, raw_events; $user_example, $item_example (values of the ids' types).
-- Outputs: temp read_ratings, read_tags and read_events, with the columns of type_ratings.sql, type_tags.sql and
--          type_events.sql, empty.
create or replace temp table read_ratings as
select
    file_id,
    line,
    $user_example as user_id,
    $item_example as item_id,
    null::double as rating,
    null::boolean as is_not_rated,
    null::timestamp as rated_at,
    null::text as deletion
from raw_ratings
where false;

create or replace temp table read_tags as
select
    file_id,
    line,
    $user_example as user_id,
    $item_example as item_id,
    tag,
    null::timestamp as tagged_at,
    null::text as deletion
from raw_tags
where false;

create or replace temp table read_events as
select
    file_id,
    line,
    $user_example as user_id,
    $item_example as item_id,
    event,
    null::double as value,
    null::timestamp as happened_at,
    null::text as deletion
from raw_events
where false;
