-- The pairs of user and item that are positive inside the windows: the one definition for training and evaluation.
-- Inputs:  the windowed views of split/windows.sql.
-- Output:  temp macro positives(relevant_rating, positive_tags, positive_events): user_id, item_id;
--          positive_events is a list of {event, at_least}, where at_least is compared with the pair's summed value.
-- Grain:   one row per pair. Sums are taken in a fixed order, so that they do not depend on threads.
create or replace temp macro positives(relevant_rating, positive_tags, positive_events) as table
    with thresholds as (
        select unnest(positive_events::struct(event text, at_least double)[], recursive := true)
    ),
    thresholded_events as (
        from windowed_events
        join thresholds using (event)
    ),
    -- No value is negative: of a pair with one that is enough alone, the others need no sum.
    positive_sums as (
        select user_id, item_id
        from thresholded_events
        where value < at_least
        group by user_id, item_id, event, at_least
        having sum(value order by happened_at, value) >= at_least
    )
    select user_id, item_id from windowed_ratings where rating >= relevant_rating
    union
    select user_id, item_id from windowed_tags where positive_tags
    union
    select user_id, item_id from thresholded_events where value >= at_least
    union
    select user_id, item_id from positive_sums;
