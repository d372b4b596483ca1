-- Empties the clean tables of the sources that a night can do without. Those that it has are built anew afterwards: they
-- are not filled, because DuckDB 2.0 loses the rows of a sorted insert into a table that the same transaction made.
-- Inputs:  $user_example, $item_example (values of the ids' types).
-- Outputs: users, links, relations, as schema.sql describes them, replaced, empty.
create or replace table users as
select $user_example as user_id, map([]::text[], []::text[]) as features
where false;

create or replace table links as
select
    $user_example as user_id,
    $user_example as friend_id,
    null::double as weight,
    null::timestamp as linked_at,
    null::timestamp as superseded_at,
    null::boolean as is_mutual
where false;

create or replace table relations as
select
    $item_example as head_item,
    null::text as head_entity,
    null::text as relation,
    $item_example as tail_item,
    null::text as tail_entity
where false;
