-- A user's list with titles, the reason for each item ("because you liked …") and the model that placed it.
-- Inputs:  recommendations, items; `user`, the user's id.
-- Output:  rank, item_id, title, genres, score, model, because_of (title of the item in the user's history that
--          explains the row; null if there is none); best first. No rows for a user without a list.
-- Grain:   one row per recommended item.
select
    recommendations.rank,
    recommendations.item_id,
    items.title,
    items.genres,
    recommendations.score,
    recommendations.model,
    reasons.title as because_of
from recommendations
left join items on items.item_id = recommendations.item_id
left join items as reasons on reasons.item_id = recommendations.reason_item_id
where recommendations.user_id = :user
order by recommendations.rank;
