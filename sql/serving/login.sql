-- What a user sees at login: the user's own list, or a list for everybody where there is none. Never nothing.
-- Inputs:  recommendations, fallback_recommendations, seen_since, items; `user`, the user's id; `n`, how many rows at
--          most, 1 or more; `segment`, which fallback list (a genre), null for that of all.
-- Output:  rank, item_id, title, genres, score, model (null in the fallback), is_personal, run_id, reason_item_id and
--          because_of, the id and title of the item in the user's history behind it (null for none); best first. What
--          seen_since says that the user has met is left out: ranks then have gaps.
-- Grain:   one row per recommended item.
-- Parameters but the user are selected, which hides them from PostgreSQL's planner: for an n or a segment that it knows
-- it plans every login anew, which takes longer than the login.
with personal as (
    select rank, item_id, score, model, reason_item_id, run_id
    from recommendations
    where
        user_id = :user
        and not exists (
            select 1 from seen_since
            where seen_since.user_id = recommendations.user_id and seen_since.item_id = recommendations.item_id
        )
    order by rank
    limit (select :n)
),
asked_for as (
    select rank, item_id, score, run_id
    from fallback_recommendations
    where
        segment = (select :segment)
        and not exists (select 1 from personal)
        and not exists (
            select 1 from seen_since
            where seen_since.user_id = :user and seen_since.item_id = fallback_recommendations.item_id
        )
    order by rank
    limit (select :n)
),
for_everybody as (
    select
        rank, item_id, score, run_id,
        exists (
            select 1 from seen_since
            where seen_since.user_id = :user and seen_since.item_id = fallback_recommendations.item_id
        ) as is_seen
    from fallback_recommendations
    where segment = 'all' and not exists (select 1 from personal) and not exists (select 1 from asked_for)
    order by is_seen, rank  -- what is left when everything is seen is better than nothing
    limit (select :n)
),
shown as (
    select rank, item_id, score, model, reason_item_id, 1 as is_personal, run_id, false as is_seen from personal
    union all
    select rank, item_id, score, null, null, 0, run_id, false from asked_for
    union all
    select rank, item_id, score, null, null, 0, run_id, is_seen from for_everybody
)
select
    shown.rank,
    shown.item_id,
    -- looked up item by item: a join would have some planners read the whole catalogue
    (select items.title from items where items.item_id = shown.item_id) as title,
    (select items.genres from items where items.item_id = shown.item_id) as genres,
    shown.score,
    shown.model,
    shown.is_personal,
    shown.run_id,
    shown.reason_item_id,
    (select items.title from items where items.item_id = shown.reason_item_id) as because_of
from shown
order by shown.is_seen, shown.rank;
