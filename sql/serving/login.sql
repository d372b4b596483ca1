-- What a user sees at login: the user's own list, or the list for everybody where there is none. Never nothing.
-- Inputs:  recommendations, fallback_recommendations, items; `user`, the user's id; `n`, how many rows at most.
-- Output:  rank, item_id, title, genres, score, model (null in the fallback), is_personal, run_id, reason_item_id and
--          because_of, the id and title of the item in the user's history behind it (null for none); best first.
-- Grain:   one row per recommended item.
with personal as (
    select rank, item_id, score, model, reason_item_id, run_id
    from recommendations
    where user_id = :user and rank <= :n
),
for_everybody as (
    select rank, item_id, score, run_id
    from fallback_recommendations
    where segment = 'all' and rank <= :n and not exists (select 1 from personal)
),
shown as (
    select rank, item_id, score, model, reason_item_id, 1 as is_personal, run_id from personal
    union all
    select rank, item_id, score, null as model, null as reason_item_id, 0 as is_personal, run_id from for_everybody
)
select
    shown.rank,
    shown.item_id,
    items.title,
    items.genres,
    shown.score,
    shown.model,
    shown.is_personal,
    shown.run_id,
    shown.reason_item_id,
    reasons.title as because_of
from shown
left join items on items.item_id = shown.item_id
left join items as reasons on reasons.item_id = shown.reason_item_id
order by shown.rank;
