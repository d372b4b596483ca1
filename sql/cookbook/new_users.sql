-- The lists of new users: users with a list in the live run and none in the run before it.
-- Inputs:  recommendations, previous_recommendations, items; `n`, the number of items of each list.
-- Output:  user_id, rank, item_id, title, score; ordered by user and rank. All users if no earlier run is kept.
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
