-- Builds the links, as schema.sql describes them, from the typed rows without faults.
-- Inputs:  temp read_links, dropped at the end; temp file_order; temp repeat_counts; $directed: else a link is mutual, and
--          stands once, from the lesser id to the greater.
-- Outputs: links, replaced; a row of repeat_counts: the valid rows that a later row supersedes or equals.
-- Grain:   one row per pair of users and time.
-- Links without a time lie before those that have one: they are there at any moment.
create or replace temp table link_history as
with pairs as (
    select
        case when $directed then user_id else least(user_id, friend_id) end as user_id,
        case when $directed then friend_id else greatest(user_id, friend_id) end as friend_id,
        weight,
        linked_at,
        position,
        line
    from read_links
    inner join file_order using (file_id)
    where user_id is not null and friend_id is not null and weight is not null and (linked_at is not null or not has_time)
)
select
    user_id,
    friend_id,
    weight,
    linked_at,
    lead(linked_at) over later as superseded_at,
    lead(true) over later is not null as is_followed
from pairs
window later as (partition by user_id, friend_id order by linked_at nulls first, position, line);

create or replace table links as
select user_id, friend_id, weight, linked_at, superseded_at, not $directed as is_mutual
from link_history
where not is_followed or (superseded_at is not null and superseded_at is distinct from linked_at)
order by user_id, friend_id, linked_at nulls first;

insert into repeat_counts (source, duplicates)
select 'links', count(*) from link_history where is_followed;

drop table read_links;
drop table link_history;
