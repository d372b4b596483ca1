-- Do the lists keep to the rules of single items and to the allow-lists of genres.
-- Inputs:  temp view published_lists, temp view published_similar_items (checks/published_lists.sql); temp table item_status
--          (checks/item_status.sql).
-- Output:  one row, one column per check: rows of lists of all kinds that hold, or are about, a blocked item; rows that
--          hold an item of the wrong genres which no rule pins.
select
    count(*) filter (is_blocked) + (
        select count(*) from published_similar_items join item_status using (item_id) where is_blocked
    ) as blocked_items,
    count(*) filter (not is_allowed and not is_pinned) as wrong_genres
from published_lists
join item_status using (item_id);
