-- Which share of the ids are plain integers that fit 64 bits (no leading zeros), over all sources.
-- In:  the raw tables. Out: one row (user_share, item_share), null where there is no id.
-- In stages, because most ids are integers as they stand: only the others are stripped.
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
