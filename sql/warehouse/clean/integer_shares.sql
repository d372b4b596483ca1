-- The shares of user and item ids, over all sources, that are plain 64-bit integers without leading zeros.
-- Inputs:  the raw tables; the macros of rejection_reasons.sql.
-- Output:  user_share, item_share; null if there are no ids.
-- Grain:   one row.
-- Most ids are integers as they are: only the others are stripped, because that is slow.
create or replace temp macro integer_or_not(x) as case
    when is_integer(x) then 1
    when is_integer(stripped(x)) then 1
    when stripped(x) is not null then 0
end;

with ids as (
    select user_id, item_id from raw_ratings
    union all
    select user_id, item_id from raw_tags
    union all
    select user_id, item_id from raw_events
    union all
    select null, item_id from raw_items
)
select avg(integer_or_not(user_id)) as user_share, avg(integer_or_not(item_id)) as item_share
from ids;
