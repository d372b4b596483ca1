-- Types the raw relations; a value with a fault becomes null. A name that begins with $item_prefix is an item, and what
-- follows is its id; any other name is an entity.
-- Inputs:  raw_relations; $item_example (a value of the item ids' type); $item_prefix.
-- Outputs: temp read_relations: of a head or tail without fault, either the item or the entity is not null; the faulty
--          rows are added to temp faulty_rows.
-- Grain:   one row per raw row.
create or replace temp macro name_fault(x, name, example, prefix) as case
    when starts_with(x, prefix) then id_fault(stripped(x[length(prefix) + 1:]), name || ' id', example)
    else text_fault(x, name)
end;

create or replace temp macro item_of(x, example, prefix) as
    case when starts_with(x, prefix) then id_of(stripped(x[length(prefix) + 1:]), example, false) end;

create or replace temp macro entity_of(x, prefix) as
    case when not starts_with(x, prefix) and text_fault(x, '') is null then x end;

create or replace temp table read_relations as
with texts as (
    select file_id, line, stripped(head) as head, stripped(relation) as relation, stripped(tail) as tail
    from raw_relations
)
select
    file_id,
    line,
    item_of(head, $item_example, $item_prefix) as head_item,
    entity_of(head, $item_prefix) as head_entity,
    case when text_fault(relation, '') is null then relation end as relation,
    item_of(tail, $item_example, $item_prefix) as tail_item,
    entity_of(tail, $item_prefix) as tail_entity
from texts;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_relations
    where
        (head_item is null and head_entity is null) or relation is null
        or (tail_item is null and tail_entity is null)
),
texts as (
    select
        file_id,
        line,
        to_json({'head': head, 'relation': relation, 'tail': tail})::text as raw,
        stripped(head) as head,
        stripped(relation) as relation,
        stripped(tail) as tail
    from raw_relations
    semi join faulty using (file_id, line)
)
select
    'relations',
    file_id,
    line,
    raw,
    faults([
        name_fault(head, 'head', $item_example, $item_prefix),
        text_fault(relation, 'relation'),
        name_fault(tail, 'tail', $item_example, $item_prefix)
    ])
from texts;
