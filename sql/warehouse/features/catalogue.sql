-- In:  items, known_items (item_id: what the lists are about)
-- Out: catalogue, what to publish about items, one row per item: item_id, title, genres joined by '|'
create or replace temp table catalogue as
select
    item_id,
    items.title,
    array_to_string(items.genres, '|') as genres
from known_items
full join items using (item_id);
