-- Every row of every list, with what can be wrong with it.
-- Inputs:  temp view published_lists (checks/published_lists.sql); temp table item_status (checks/item_status.sql).
-- Outputs: temp table suspect_lists (kind, owner): the lists whose rows do not stand in the file in the order of their ranks
--          1, 2, 3 …, or whose scores rise, or that hold an item twice;
--          temp view list_rows: kind, owner, rank, item_id, score;
--          is_in_place: the rank is the next one of its list; is_above_better_rank: the score is higher than that of the
--          rank before; is_repeated: the list holds the item twice (true for all but one of its rows);
--          is_unknown: the item is neither in the catalogue nor in any interaction;
--          is_blocked, is_allowed, is_pinned: of the item, null if it is unknown;
--          is_about_blocked: the row is of a list of items similar to a blocked item.
-- Grain:   suspect_lists one row per list, list_rows one row per row of a list of any kind.
-- Only suspect lists are sorted row by row: of all others it is known that every row is in place.
create or replace temp table suspect_lists as
select kind, owner
from published_lists
group by kind, owner
having
    list(rank) is distinct from range(1, count(*) + 1)
    or list(score) is distinct from list_reverse_sort(list(score))
    or len(list_distinct(list(item_id))) < count(*);

create or replace temp view list_rows as
with suspect_rows as (
    select
        published_lists.*,
        rank = row_number() over by_rank as is_in_place,
        score > lag(score) over by_rank as is_above_better_rank,
        item_id = lag(item_id) over by_item as is_repeated
    from published_lists
    semi join suspect_lists
        on
            suspect_lists.kind = published_lists.kind
            and suspect_lists.owner is not distinct from published_lists.owner
    window
        by_rank as (partition by kind, owner order by rank),
        by_item as (partition by kind, owner order by item_id)
),
clean_rows as (
    select published_lists.*, true as is_in_place, false as is_above_better_rank, false as is_repeated
    from published_lists
    anti join suspect_lists
        on
            suspect_lists.kind = published_lists.kind
            and suspect_lists.owner is not distinct from published_lists.owner
),
placed as (
    from suspect_rows
    union all
    from clean_rows
)
select
    kind,
    owner,
    rank,
    placed.item_id,
    score,
    is_in_place,
    is_above_better_rank,
    is_repeated,
    item_status.item_id is null as is_unknown,
    item_status.is_blocked,
    item_status.is_allowed,
    item_status.is_pinned,
    coalesce(owner_status.is_blocked, false) as is_about_blocked
from placed
left join item_status on item_status.item_id = placed.item_id
left join item_status as owner_status on owner_status.item_id = placed.owner_item_id;
