-- The shares of user and item ids, over all sources, that are plain 64-bit integers without leading zeros, or such an
-- integer with the fraction .0.
-- Inputs:  the raw tables; the macros of rejection_reasons.sql.
-- Output:  user_share, item_share; null if there are no ids.
-- Grain:   one row.
-- Most ids are integers as they are: only the others are stripped, because that is slow.
create or replace temp macro integer_or_stripped(x) as case when is_integer(x) then x else stripped(x) end;

create or replace temp macro integer_or_not(x) as case
    when is_integer(x) then 1
    when regexp_matches(x, '[.,]') and is_integer(without_fraction(x)) then 1
    when not is_no_value(x) and not is_rounded(x, 20) then 0
end;

with ids as (
    select user_id, item_id from raw_ratings
    union all
    select user_id, item_id from raw_tags
    union all
    select user_id, item_id from raw_events
    union all
    select null, item_id from raw_items
    union all
    select user_id, null from raw_users
    union all
    select user_id, null from raw_links
    union all
    select friend_id, null from raw_links
),
texts as (
    select integer_or_stripped(user_id) as user_id, integer_or_stripped(item_id) as item_id from ids
),
shares as (
    select
        sum(integer_or_not(user_id)) as user_integers,
        count(integer_or_not(user_id)) as users,
        sum(integer_or_not(item_id)) as item_integers,
        count(integer_or_not(item_id)) as items
    from texts
    union all
    select count(user_id), count(user_id), count(item_id), count(item_id) from raw_numeric_ratings
    union all
    select count(user_id), count(user_id), count(item_id), count(item_id) from raw_numeric_tags
    union all
    select count(user_id), count(user_id), count(item_id), count(item_id) from raw_numeric_events
)
select
    sum(user_integers) / nullif(sum(users), 0) as user_share,
    sum(item_integers) / nullif(sum(items), 0) as item_share
from shares;
