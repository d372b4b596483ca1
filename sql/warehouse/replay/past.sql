-- The tables as they were known on a day: a night that reads them cannot see anything of that day or later.
-- Inputs:  the attached database `history` (keep_history.sql); $as_of, exclusive.
-- Outputs: ratings, tags, events, links: rows before as_of; those superseded only later are not superseded here;
--          items, users: of the past. Nobody recorded since when the others have been there, so that items without an
--          interaction before as_of are left out, and users who then had neither an interaction nor a link;
--          relations: whose items are there. Links without a time count where both users are known by then.
-- Grain:   as in the warehouse (schema.sql), in the same order.
create or replace table ratings as
select * replace (case when superseded_at < $as_of::timestamp then superseded_at end as superseded_at)
from history.ratings
where rated_at < $as_of::timestamp;

create or replace table tags as
select * replace (case when superseded_at < $as_of::timestamp then superseded_at end as superseded_at)
from history.tags
where tagged_at < $as_of::timestamp;

create or replace table events as
select * replace (case when superseded_at < $as_of::timestamp then superseded_at end as superseded_at)
from history.events
where happened_at < $as_of::timestamp;

create or replace temp table known_pairs as
select user_id, item_id from ratings
union
select user_id, item_id from tags
union
select user_id, item_id from events;

create or replace table links as
select * replace (case when superseded_at < $as_of::timestamp then superseded_at end as superseded_at)
from history.links
where
    linked_at < $as_of::timestamp
    or linked_at is null
    and user_id in (select user_id from known_pairs) and friend_id in (select user_id from known_pairs);

create or replace table items as
from history.items
where item_id in (select item_id from known_pairs);

create or replace table users as
from history.users
where user_id in (
    select user_id from known_pairs
    union all
    select user_id from links
    union all
    select friend_id from links
);

create or replace table relations as
from history.relations
where
    (head_item is null or head_item in (select item_id from known_pairs))
    and (tail_item is null or tail_item in (select item_id from known_pairs));

drop table known_pairs;
