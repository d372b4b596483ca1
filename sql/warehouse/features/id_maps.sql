-- Dense indices for users and items. Users have an interaction inside the windows. Items have one too, or else genres
-- in the catalogue, by which content models can recommend them.
-- Inputs:  temp view windowed_interactions; items.
-- Outputs: temp user_map (user_idx, user_id) and item_map (item_idx, item_id, is_touched: whether it has an
--          interaction), integers from 0 in the order of the ids.
-- Grain:   one row per user; one row per item.
create or replace temp table user_map as
select (row_number() over (order by user_id) - 1)::integer as user_idx, user_id
from (select distinct user_id from windowed_interactions)
order by user_idx;

create or replace temp table item_map as
with touched as (
    select distinct item_id, true as is_touched from windowed_interactions
),
described as (
    select item_id from items where len(genres) > 0
)
select
    (row_number() over (order by item_id) - 1)::integer as item_idx,
    item_id,
    coalesce(is_touched, false) as is_touched
from touched
full join described using (item_id)
order by item_idx;
