-- The relevant items of each user: positive at or after the user's cutoff, and without an interaction before.
-- Inputs:  positives over the windows after the cutoffs; temp newly_met, halves (holdout/newly_met.sql);
--          $relevant_rating, $positive_tags, $positive_events;
--          $users_path and $items_path, the snapshot's id maps.
-- Output:  temp relevant (user_id, user_idx null for users without history, untouched_idx the index of those of them
--          that the snapshot has a row of, by a link, else null, item_id, item_idx null for items that the snapshot does
--          not know, is_touched false for items without an interaction before the cutoffs, half 0 select or 1 report,
--          met_at of the pair's first interaction).
-- Grain:   one row per pair.
create or replace temp table relevant as
select
    user_id,
    case when known_users.is_touched then user_idx end as user_idx,
    case when not known_users.is_touched then user_idx end as untouched_idx,
    item_id,
    item_idx,
    coalesce(known_items.is_touched, false) as is_touched,
    half,
    met_at
from positives($relevant_rating, $positive_tags, $positive_events)
join newly_met using (user_id, item_id)
join halves using (user_id)
left join read_parquet($users_path) as known_users using (user_id)
left join read_parquet($items_path) as known_items using (item_id);
