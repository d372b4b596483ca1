-- The relevant items of each user: positive at or after the user's cutoff, and without an interaction before.
-- Inputs:  positives over the windows after the cutoffs; interactions_before; temp cutoffs; $as_of;
--          $relevant_rating, $positive_tags, $positive_events; $seed;
--          $users_path and $items_path, the snapshot's id maps.
-- Outputs: temp macro seen_before(moment): user_id, item_id, one row per interaction before the cutoffs;
--          temp macro half_of(user_id, seed): 0 or 1;
--          temp relevant (user_id, user_idx null for users without history, untouched_idx the index of those of them
--          that the snapshot has a row of, by a link, else null, item_id, item_idx null for items that the snapshot does
--          not know, is_touched false for items without an interaction before the cutoffs, half 0 select or 1 report).
-- Grain:   one row per pair. The half is the lowest bit of the ninth byte of md5('<seed>:<user_id>'): a user stays in
--          the same half every night, whichever other users there are.
create or replace temp macro seen_before(moment) as table
    select user_id, item_id
    from interactions_before(moment)
    join cutoffs using (user_id)
    where happened_at < cutoff;

create or replace temp macro half_of(user_id, seed) as
    (md5_number_lower(seed::text || ':' || user_id::text) % 2)::tinyint;

create or replace temp table relevant as
with newly_liked as (
    select user_id, item_id
    from positives($relevant_rating, $positive_tags, $positive_events)
    anti join seen_before($as_of) using (user_id, item_id)
)
select
    user_id,
    case when known_users.is_touched then user_idx end as user_idx,
    case when not known_users.is_touched then user_idx end as untouched_idx,
    item_id,
    item_idx,
    coalesce(known_items.is_touched, false) as is_touched,
    half_of(user_id, $seed) as half
from newly_liked
left join read_parquet($users_path) as known_users using (user_id)
left join read_parquet($items_path) as known_items using (item_id);
