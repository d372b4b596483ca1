-- "Because you last rated …": items similar to the one that the user just rated. Items of the user's own list come
-- first, because the user has not seen them. Of the other items only those in seen_since are known to be seen.
-- Inputs:  similar_items, recommendations, seen_since, items; `user`, the user's id; `item`, the item just rated; `n`,
--          the number of rows at most.
-- Output:  item_id, title, similarity, rank_in_list (null for items that are not on the user's list). Items in
--          seen_since are left out.
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
where
    similar_items.item_id = :item
    and not exists (
        select 1 from seen_since
        where seen_since.user_id = :user and seen_since.item_id = similar_items.similar_item_id
    )
order by case when recommendations.rank is null then 1 else 0 end, similar_items.rank
limit :n;
