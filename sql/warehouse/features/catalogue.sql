-- The titles and genres of items, to publish with their lists.
-- Inputs:  items; known_items (item_id), the items that lists can contain.
-- Output:  temp catalogue (item_id, title, genres joined by '|'); title and genres are null for items that the
--          catalogue lacks.
-- Grain:   one row per item of either input.
create or replace temp table catalogue as
select
    item_id,
    items.title,
    array_to_string(items.genres, '|') as genres
from known_items
full join items using (item_id);
