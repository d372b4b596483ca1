-- Removes everything that the night holds out, so that an earlier window can be cut out of the rest.
-- Inputs:  ratings, tags, events; placed_at; $cutoffs_path (user_id, cutoff), the cutoffs of the night's split.
-- Outputs: temp tables ratings, tags, events, which hide the warehouse's own from this connection.
-- Grain:   as in the warehouse, without rows at or after their user's cutoff. Rows that were superseded only then are
--          not superseded here.
create temp table past_cutoffs as from read_parquet($cutoffs_path);

create temp table ratings as
select ratings.* replace (
    case when placed_at(user_id, item_id, superseded_at) < cutoff then superseded_at end as superseded_at
)
from ratings
join past_cutoffs using (user_id)
where placed_at(user_id, item_id, rated_at) < cutoff;

create temp table tags as
select tags.* replace (
    case when placed_at(user_id, item_id, superseded_at) < cutoff then superseded_at end as superseded_at
)
from tags
join past_cutoffs using (user_id)
where placed_at(user_id, item_id, tagged_at) < cutoff;

create temp table events as
select events.*
from events
join past_cutoffs using (user_id)
where placed_at(user_id, item_id, happened_at) < cutoff;
