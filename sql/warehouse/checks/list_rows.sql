-- Every row of every list, with what can be wrong with it.
-- Inputs:  temp view published_lists (checks/published_lists.sql); temp table item_status (checks/item_status.sql).
-- Output:  temp view list_rows: kind, owner, rank, item_id, score;
--          is_in_place: the rank is the next one of its list; is_above_better_rank: the score is higher than that of the
--          rank before; is_repeated: the list holds the item twice (true for all but one of its rows);
--          is_unknown: the item is neither in the catalogue nor in any interaction;
--          is_blocked, is_allowed, is_pinned: of the item, null if it is unknown;
--          is_about_blocked: the row is of a list of items similar to a blocked item.
-- Grain:   one row per row of a list of any kind.
create or replace temp view list_rows as
select
    kind,
    owner,
    rank,
    published_lists.item_id,
    score,
    rank = row_number() over by_rank as is_in_place,
    score > lag(score) over by_rank as is_above_better_rank,
    published_lists.item_id = lag(published_lists.item_id) over by_item as is_repeated,
    item_status.item_id is null as is_unknown,
    item_status.is_blocked,
    item_status.is_allowed,
    item_status.is_pinned,
    coalesce(owner_status.is_blocked, false) as is_about_blocked
from published_lists
left join item_status on item_status.item_id = published_lists.item_id
left join item_status as owner_status on owner_status.item_id = published_lists.owner_item_id
window
    by_rank as (partition by kind, owner order by rank),
    by_item as (partition by kind, owner order by published_lists.item_id);
