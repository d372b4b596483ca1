-- The lists that are about to be published, and the interactions that they are checked against.
-- Inputs:  $folder, the folder of the lists; $as_of, exclusive; temp macro interactions_before (split/interactions.sql);
--          links.
-- Outputs: temp views published_recommendations, published_similar_items, published_fallback, as the files have them;
--          temp view published_lists (kind, owner text, owner_item_id, rank, item_id, score), one row per row of any of
--          the three; owner_item_id is the item that a list of similar items is about, null for the other kinds;
--          temp table seen_pairs (user_id, item_id), one row per pair with an interaction of any kind;
--          temp table linked_users (user_id), one row per user without an interaction who has a link to or from a user
--          with one.
set variable lists_folder = $folder;

create or replace temp view published_recommendations as
from read_parquet(getvariable('lists_folder') || '/recommendations.parquet');

create or replace temp view published_similar_items as
from read_parquet(getvariable('lists_folder') || '/similar_items.parquet');

create or replace temp view published_fallback as
from read_parquet(getvariable('lists_folder') || '/fallback_recommendations.parquet');

create or replace temp view published_lists as
select
    'recommendations' as kind, user_id::text as owner, null as owner_item_id, rank, item_id, score
from published_recommendations
union all
select 'similar_items' as kind, item_id::text as owner, item_id as owner_item_id, rank, similar_item_id as item_id, score
from published_similar_items
union all
select 'fallback_recommendations' as kind, segment as owner, null as owner_item_id, rank, item_id, score
from published_fallback;

create or replace temp table seen_pairs as
select distinct user_id, item_id from interactions_before($as_of);

create or replace temp table linked_users as
with ties as (
    from links where linked_at is null or linked_at < $as_of::timestamp
),
linked as (
    select user_id from ties where friend_id in (select user_id from seen_pairs)
    union
    select friend_id from ties where user_id in (select user_id from seen_pairs)
)
from linked
anti join seen_pairs using (user_id);
