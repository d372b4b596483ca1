-- The time of the newest interaction, or of the deletion of one, and the numbers of users and items with an interaction.
-- Inputs:  ratings, tags, events.
-- Output:  newest_interaction, n_users, n_items.
-- Grain:   one row.
-- To union what is distinct in each table is several times as quick as to count what is distinct in their union.
with newest as (
    select max(coalesce(superseded_at, rated_at)) as moment from ratings
    union all
    select max(coalesce(superseded_at, tagged_at)) from tags
    union all
    select max(coalesce(superseded_at, happened_at)) from events
),
users as (
    select distinct user_id from ratings where superseded_at is null
    union
    select distinct user_id from tags where superseded_at is null
    union
    select distinct user_id from events where superseded_at is null
),
touched as (
    select distinct item_id from ratings where superseded_at is null
    union
    select distinct item_id from tags where superseded_at is null
    union
    select distinct item_id from events where superseded_at is null
)
select
    (select max(moment) from newest) as newest_interaction,
    (select count(*) from users) as n_users,
    (select count(*) from touched) as n_items;
