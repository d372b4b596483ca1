-- Dense indices for users and items. Users have an interaction inside the windows, or else a link inside them, to or from a
-- user who has one, by which models of links can make lists for them. Items have an interaction too, or else genres or
-- attributes in the catalogue, by which content models can recommend them.
-- Inputs:  temp views windowed_interactions, windowed_links; items.
-- Outputs: temp user_map (user_idx, user_id, is_touched) and item_map (item_idx, item_id, is_touched: whether there is an
--          interaction), integers from 0 in the order of the ids.
-- Grain:   one row per user; one row per item.
create or replace temp table user_map as
with touched as (
    select distinct user_id, true as is_touched from windowed_interactions
),
linked as (
    select user_id from windowed_links where friend_id in (select user_id from touched)
    union
    select friend_id from windowed_links where user_id in (select user_id from touched)
)
select
    (row_number() over (order by user_id) - 1)::integer as user_idx,
    user_id,
    coalesce(is_touched, false) as is_touched
from touched
full join linked using (user_id)
order by user_idx;

create or replace temp table item_map as
with touched as (
    select distinct item_id, true as is_touched from windowed_interactions
),
described as (
    select item_id from items where len(genres) > 0 or cardinality(attributes) > 0
)
select
    (row_number() over (order by item_id) - 1)::integer as item_idx,
    item_id,
    coalesce(is_touched, false) as is_touched
from touched
full join described using (item_id)
order by item_idx;
