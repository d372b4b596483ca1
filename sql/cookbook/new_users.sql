-- The lists of last night's new users: those who have one in the live run and had none in the run before it.
-- Inputs:  recommendations, previous_recommendations, items; `n`, how many items of each list.
-- Output:  user_id, rank, item_id, title, score; each user's best first. All users where no earlier run is kept.
-- Grain:   one row per user and recommended item.
select recommendations.user_id, recommendations.rank, recommendations.item_id, items.title, recommendations.score
from recommendations
left join items on items.item_id = recommendations.item_id
where
    recommendations.rank <= :n
    and not exists (
        select 1 from previous_recommendations where previous_recommendations.user_id = recommendations.user_id
    )
order by recommendations.user_id, recommendations.rank;
