-- Types the raw items. Only an item without a valid id, or with a NUL character, is faulty: its id becomes null.
-- Inputs:  raw_items; $item_example (a value of the item ids' type).
-- Outputs: temp read_items, with genres as text[], split at '|', without blanks, repeats and MovieLens'
--          '(no genres listed)'; the faulty rows are added to temp faulty_rows.
-- Grain:   one row per raw row.
create or replace temp table read_items as
with typed as (
    select
        file_id,
        line,
        case
            when not contains(coalesce(title, '') || coalesce(genres, ''), chr(0))
                then id_of(item_id, $item_example)
        end as item_id,
        stripped(title) as title,
        list_transform(string_split(coalesce(genres, ''), '|'), lambda genre: stripped(genre)) as genres
    from raw_items
)
select
    file_id,
    line,
    item_id,
    title,
    list_filter(
        genres,
        lambda genre, position: genre != '(no genres listed)' and list_position(genres, genre) = position
    ) as genres
from typed;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_items
    where item_id is null
)
select
    'items',
    file_id,
    line,
    to_json({'item': item_id, 'title': title, 'genres': genres})::text,
    faults([
        id_fault(stripped(item_id), 'item id', $item_example),
        case when contains(title, chr(0)) then 'title holds a NUL character' end,
        case when contains(genres, chr(0)) then 'genres hold a NUL character' end
    ])
from raw_items
semi join faulty using (file_id, line);
