-- The items that a user liked, to compare with the list: highest value first, then latest.
-- Inputs:  ratings, events, items; $user_id; $relevant_rating, the least rating that counts as liking;
--          $positive_events, the names of events that do; $n, the number of rows at most.
-- Output:  item_id, title, genres joined by '|', what ('rated' or the event's name), value, happened_at. Ratings first.
-- Grain:   one row per item: its rating if there is one, else its latest positive event.
with positives as (
    select item_id, 'rated' as what, rating as value, rated_at as happened_at
    from ratings
    where user_id = $user_id and superseded_at is null and rating >= $relevant_rating
    union all
    select item_id, event as what, value, happened_at
    from events
    where user_id = $user_id and superseded_at is null and list_contains($positive_events::text[], event)
)
select
    item_id,
    items.title,
    array_to_string(items.genres, '|') as genres,
    what,
    value,
    happened_at
from positives
left join items using (item_id)
qualify row_number() over (partition by item_id order by what <> 'rated', happened_at desc, what, value desc) = 1
order by what <> 'rated', value desc, happened_at desc, item_id
limit $n;
