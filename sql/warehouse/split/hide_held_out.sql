-- Removes everything that the night holds out, so that an earlier window can be cut out of the rest.
-- Inputs:  ratings, tags, events, links; placed_at, link_placed_at; $cutoffs_path (user_id, cutoff), the cutoffs of the
--          night's split; $cutoff, that of users without an interaction.
-- Outputs: temp tables ratings, tags, events, links, which hide the warehouse's own from this connection.
-- Grain:   as in the warehouse, without rows at or after their user's cutoff, that of the friend too for links. Rows that
--          were superseded only then are not superseded here.
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
select events.* replace (
    case when placed_at(user_id, item_id, superseded_at) < cutoff then superseded_at end as superseded_at
)
from events
join past_cutoffs using (user_id)
where placed_at(user_id, item_id, happened_at) < cutoff;

create temp table links as
select
    links.* replace (case when link_placed_at(superseded_at) < until_at then superseded_at end as superseded_at)
from links
left join past_cutoffs as own on own.user_id = links.user_id
left join past_cutoffs as friends on friends.user_id = links.friend_id
cross join lateral (
    select least(coalesce(own.cutoff, $cutoff::timestamp), coalesce(friends.cutoff, $cutoff::timestamp)) as until_at
)
where linked_at is null or link_placed_at(linked_at) < until_at;
