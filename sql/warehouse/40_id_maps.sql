-- Dense indices for the users and items that did or met anything inside the windows.
-- Inputs:  temp view windowed_interactions.
-- Outputs: temp user_map (user_idx, user_id) and item_map (item_idx, item_id), integers from 0 in the order
--          of the ids.
-- Grain:   one row per user; one row per item.
create or replace temp table user_map as
select (row_number() over (order by user_id) - 1)::integer as user_idx, user_id
from (select distinct user_id from windowed_interactions)
order by user_idx;

create or replace temp table item_map as
select (row_number() over (order by item_id) - 1)::integer as item_idx, item_id
from (select distinct item_id from windowed_interactions)
order by item_idx;
