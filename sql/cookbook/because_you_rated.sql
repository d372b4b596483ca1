-- 'Because you last rated …': items like the one that the user just rated, best first, which are not seen yet as far as
-- the user's own list tells: what is on it is unseen, and comes first.
-- Inputs:  similar_items, recommendations, items; `user`; `item`, which the application knows: it took the rating; `n`.
-- Output:  item_id, title, similarity, rank_in_list (null for what is not on the user's list).
-- Grain:   one row per similar item, at most `n`.
select
    similar_items.similar_item_id as item_id,
    items.title,
    similar_items.score as similarity,
    recommendations.rank as rank_in_list
from similar_items
left join items on items.item_id = similar_items.similar_item_id
left join recommendations
    on recommendations.user_id = :user and recommendations.item_id = similar_items.similar_item_id
where similar_items.item_id = :item
order by case when recommendations.rank is null then 1 else 0 end, similar_items.rank
limit :n;
