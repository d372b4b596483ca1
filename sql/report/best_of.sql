-- The first places of the lists of a few users, with titles.
-- Inputs:  $lists, the recommendations.parquet of a run; $catalogue, its items.parquet; $users, ids as text; $top, how
--          many ranks of each list to return.
-- Output:  user_id, rank, item_id, title, genres joined by '|', model, reason_item_id, reason_title; by user and rank.
-- Grain:   one row per listed item.
select
    lists.user_id,
    lists.rank,
    lists.item_id,
    listed.title,
    listed.genres,
    lists.model,
    lists.reason_item_id,
    reason.title as reason_title
from read_parquet($lists) as lists
left join read_parquet($catalogue) as listed on listed.item_id = lists.item_id
left join read_parquet($catalogue) as reason on reason.item_id = lists.reason_item_id
where lists.rank <= $top and list_contains($users::text[], lists.user_id::text)
order by lists.user_id, lists.rank;
