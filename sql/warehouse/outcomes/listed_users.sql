-- How many users had a list, whether or not they came back.
-- Inputs:  temp view published_lists.
-- Output:  variant (null outside a trial), n_users; sorted by variant.
-- Grain:   one row per variant.
select variant, count(distinct user_id) as n_users
from published_lists
group by variant
order by variant nulls first;
