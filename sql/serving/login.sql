-- A user's list at login: the personal list, or a fallback list for users without one. Always returns rows.
-- Inputs:  recommendations, fallback_recommendations, seen_since, items; `user`, the user's id; `n`, the number of rows
--          at most, 1 or more; `segment`, which fallback list (a genre), null for the one of all.
-- Output:  rank, item_id, title, genres, score, model (null in the fallback list), is_personal (0 or 1), run_id,
--          reason_item_id and because_of (id and title of the item in the user's history that explains the row, or
--          null); best first. Items in seen_since are left out, so ranks may have gaps.
-- Grain:   one row per recommended item.
-- `n` and `segment` are selected in subqueries to hide them from PostgreSQL's planner: for values that it knows it
-- makes a custom plan at every login, which takes longer than the login.
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
    order by is_seen, rank  -- seen items come last, for users who have seen everything
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
    -- one lookup per item: with a join some planners read the whole catalogue
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
