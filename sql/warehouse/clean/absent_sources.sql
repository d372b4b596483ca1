-- Makes the typed tables of the sources that have no files, which type_tags.sql and type_events.sql need not plan then:
-- that takes a tenth of a second. Sources that have files replace theirs afterwards.
-- Inputs:  raw_tags, raw_events; $user_example, $item_example (values of the ids' types).
-- Outputs: temp read_tags and read_events, with the columns of type_tags.sql and type_events.sql, empty.
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
