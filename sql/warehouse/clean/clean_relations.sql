-- Builds the relations, as schema.sql describes them, from the typed rows without faults: each once.
-- Inputs:  temp read_relations, dropped at the end; temp repeat_counts.
-- Outputs: relations, replaced; a row of repeat_counts.
-- Grain:   one row per head, relation and tail.
create or replace temp table valid_relations as
select head_item, head_entity, relation, tail_item, tail_entity, count(*) as rows
from read_relations
where
    (head_item is not null or head_entity is not null) and relation is not null
    and (tail_item is not null or tail_entity is not null)
group by all;

create or replace table relations as
select head_item, head_entity, relation, tail_item, tail_entity
from valid_relations
order by head_item, head_entity, relation, tail_item, tail_entity;

insert into repeat_counts (source, duplicates)
select 'relations', coalesce(sum(rows) - count(*), 0)::bigint from valid_relations;

drop table read_relations;
drop table valid_relations;
