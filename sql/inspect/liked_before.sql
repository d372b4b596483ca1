-- What a user liked before, for a person who judges the list by eye: the best first, the latest first among equals.
-- Inputs:  ratings, events, items; $user_id; $relevant_rating; $positive_events, names; $n, how many rows at most.
-- Output:  item_id, title, genres joined by '|', what ('rated' or the event), value, happened_at.
-- Grain:   one row per item: its rating where there is one, else its latest positive event.
with signs_of_liking as (
    select item_id, 'rated' as what, rating as value, rated_at as happened_at
    from ratings
    where user_id = $user_id and superseded_at is null and rating >= $relevant_rating
    union all
    select item_id, event as what, value, happened_at
    from events
    where user_id = $user_id and list_contains($positive_events::text[], event)
)
select
    item_id,
    items.title,
    array_to_string(items.genres, '|') as genres,
    what,
    value,
    happened_at
from signs_of_liking
left join items using (item_id)
qualify row_number() over (partition by item_id order by what <> 'rated', happened_at desc) = 1
order by what <> 'rated', value desc, happened_at desc, item_id
limit $n;
