-- Is every list a list: ranks 1, 2, 3 … without gaps, each item once and known, scores finite and never increasing.
-- Inputs:  temp view published_lists, temp table seen_pairs (checks/published_lists.sql); items.
-- Output:  one row, one column per check: how many rows are at fault, over lists of all kinds.
with neighbours as (
    select
        item_id,
        score,
        rank = row_number() over by_rank as is_in_place,
        score > lag(score) over by_rank as is_above_better_rank,
        item_id = lag(item_id) over by_item as is_repeated
    from published_lists
    window
        by_rank as (partition by kind, owner order by rank),
        by_item as (partition by kind, owner order by item_id)
),
known_items as (
    select item_id from items
    union
    select item_id from seen_pairs
)
select
    count(*) filter (not is_in_place) as rank_gaps,
    count(*) filter (is_repeated) as duplicate_items,
    (select count(*) from published_lists anti join known_items using (item_id)) as unknown_items,
    count(*) filter (is_above_better_rank) as rising_scores,
    count(*) filter (score is null or not isfinite(score)) as bad_scores
from neighbours;
