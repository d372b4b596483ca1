-- The shares of user and item ids, over all sources, that are plain 64-bit integers without leading zeros, or such an
-- integer with the fraction .0.
-- Inputs:  the raw tables; the macros of rejection_reasons.sql.
-- Output:  user_share, item_share; null if there are no ids.
-- Grain:   one row.
-- Most ids are integers as they are: only the others are stripped, because that is slow.
create or replace temp macro integer_or_not(x) as case
    when is_integer(x) then 1
    when is_integer(without_fraction(stripped(x))) then 1
    when not is_no_value(stripped(x)) and not is_rounded(stripped(x), 20) then 0
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
