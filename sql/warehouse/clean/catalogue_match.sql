-- Compares the items of the catalogue with those that have an interaction.
-- Inputs:  ratings, tags, events, items.
-- Output:  in_catalogue, how many items the catalogue has; touched, how many items have an interaction; known, how many of
--          these the catalogue has; unknown_id, one of the others; untouched_id, an item of the catalogue without an
--          interaction.
-- Grain:   one row.
with touched as (
    select item_id from ratings
    union
    select item_id from tags
    union
    select item_id from events
)
select
    (select count(*) from items) as in_catalogue,
    (select count(*) from touched) as touched,
    (select count(*) from touched semi join items using (item_id)) as known,
    (select min(item_id)::text from touched anti join items using (item_id)) as unknown_id,
    (select min(item_id)::text from items anti join touched using (item_id)) as untouched_id;
