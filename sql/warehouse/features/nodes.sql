-- Numbers the nodes of the relations: the items of the snapshot as in item_map, then all entities in the order of their
-- names; and the relations in the order of theirs.
-- Inputs:  relations; temp item_map.
-- Outputs: temp entity_map (node, entity); temp relation_map (relation_idx, relation).
-- Grain:   one row per entity; one row per relation.
create or replace temp table entity_map as
select ((select count(*) from item_map) + row_number() over (order by entity) - 1)::integer as node, entity
from (
    select head_entity as entity from relations where head_entity is not null
    union
    select tail_entity from relations where tail_entity is not null
)
order by node;

create or replace temp table relation_map as
select (row_number() over (order by relation) - 1)::integer as relation_idx, relation
from (select distinct relation from relations)
order by relation_idx;
