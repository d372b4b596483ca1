-- Marks the items that may be listed, by the allow-lists of genres and the rules of single items.
-- Inputs:  items; temp table seen_pairs (checks/published_lists.sql); $blocked, $pinned, the ids of ruled items as text;
--          $genres, one of which an item must have, unless there are none; $without_genres, none of which it may have.
-- Output:  temp table item_status: item_id; is_touched: it has an interaction; is_described: it has genres or attributes; is_blocked and
--          is_pinned: by a rule; is_allowed: by its genres; is_in_catalogue.
-- Grain:   one row per item of the catalogue or of seen_pairs.
create or replace temp table item_status as
with known_items as (
    select item_id, true as is_touched from seen_pairs
    union all
    select item_id, false as is_touched from items
),
touched as (
    select item_id, bool_or(is_touched) as is_touched from known_items group by item_id
)
select
    item_id,
    is_touched,
    items.item_id is not null as is_in_catalogue,
    coalesce(len(items.genres) > 0 or cardinality(items.attributes) > 0, false) as is_described,
    list_contains($blocked::text[], item_id::text) as is_blocked,
    list_contains($pinned::text[], item_id::text) as is_pinned,
    (len($genres::text[]) = 0 or coalesce(list_has_any(items.genres, $genres::text[]), false))
        and not coalesce(list_has_any(items.genres, $without_genres::text[]), false) as is_allowed
from touched
left join items using (item_id);
