-- In:  items, known_items (item_id: what the lists are about)
-- Out: the catalogue to publish, one row per item, sorted: item_id, title, genres joined by '|'
select
    item_id,
    items.title,
    array_to_string(items.genres, '|') as genres
from known_items
full join items using (item_id)
order by item_id
