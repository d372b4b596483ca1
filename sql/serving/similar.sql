-- The items most similar to one item, with titles.
-- Inputs:  similar_items, items; `item`, the item's id; `n`, the number of rows at most.
-- Output:  rank, item_id, title, genres, score, run_id; most similar first.
-- Grain:   one row per similar item.
select
    similar_items.rank,
    similar_items.similar_item_id as item_id,
    items.title,
    items.genres,
    similar_items.score,
    similar_items.run_id
from similar_items
left join items on items.item_id = similar_items.similar_item_id
where similar_items.item_id = :item and similar_items.rank <= :n
order by similar_items.rank;
