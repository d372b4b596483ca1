-- The items that users came to like inside a window of time: positive in it, and never met before it.
-- Inputs:  positives over the windows from $since to the window's end; temp first_met (outcomes/first_met.sql);
--          $relevant_rating, $positive_tags, $positive_events.
-- Output:  temp later_positives (user_id, item_id).
-- Grain:   one row per pair of user and item.
create or replace temp table later_positives as
select user_id, item_id
from positives($relevant_rating, $positive_tags, $positive_events)
anti join (from first_met where met_at < $since::timestamp) using (user_id, item_id);
