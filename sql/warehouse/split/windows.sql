-- A window of time for each user: before the user's cutoff, or from there to the night's as_of. Later SQL reads the
-- windowed views only, so that nothing outside the window can reach it.
-- Inputs:  ratings, tags, events; placed_at (split/place_by_time.sql or place_by_chance.sql); temp cutoffs (user_id,
--          cutoff); $side 'before' or 'after'; $as_of.
-- Outputs: temp windows (user_id, from_at inclusive, until_at exclusive), one row per user;
--          temp views windowed_ratings, windowed_tags, windowed_events, each with `happened_at`;
--          temp view windowed_interactions (user_id, item_id, happened_at), the three together.
-- Grain:   ratings one row per pair and tags one per pair and tag: those visible when the window closes. A pair with
--          interactions that are not rated has a further row in ratings, whose rating is null.
--          Events one row per event.
create or replace temp table windows as
select
    user_id,
    case $side when 'before' then '-infinity'::timestamp else least(cutoff, $as_of::timestamp) end as from_at,
    case $side when 'before' then least(cutoff, $as_of::timestamp) else $as_of::timestamp end as until_at
from cutoffs;

create or replace temp view windowed_ratings as
select user_id, item_id, rating, rated_at as happened_at
from ratings
join windows using (user_id)
where
    placed_at(user_id, item_id, rated_at) >= from_at and placed_at(user_id, item_id, rated_at) < until_at
    and (superseded_at is null or placed_at(user_id, item_id, superseded_at) >= until_at);

create or replace temp view windowed_tags as
select user_id, item_id, tag, tagged_at as happened_at
from tags
join windows using (user_id)
where
    placed_at(user_id, item_id, tagged_at) >= from_at and placed_at(user_id, item_id, tagged_at) < until_at
    and (superseded_at is null or placed_at(user_id, item_id, superseded_at) >= until_at);

create or replace temp view windowed_events as
select user_id, item_id, event, value, happened_at
from events
join windows using (user_id)
where
    placed_at(user_id, item_id, happened_at) >= from_at and placed_at(user_id, item_id, happened_at) < until_at
    and (superseded_at is null or placed_at(user_id, item_id, superseded_at) >= until_at);

create or replace temp view windowed_interactions as
select user_id, item_id, happened_at from windowed_ratings
union all
select user_id, item_id, happened_at from windowed_tags
union all
select user_id, item_id, happened_at from windowed_events;
