-- Counts the items of the users' earlier lists that their later lists keep.
-- Inputs:  $lists and $earlier, the recommendations.parquet of two runs; $top, how far down each list to look.
-- Output:  kept, how many of the first $top items of a user's list were among the first $top of the earlier list, null
--          for users without an earlier list; users, the number of users with so many.
-- Grain:   one row per number of kept items.
with tonight as (
    select user_id, item_id from read_parquet($lists) where rank <= $top
),
before as (
    select user_id, item_id from read_parquet($earlier) where rank <= $top
),
known_users as (
    select distinct user_id from before
),
per_user as (
    select
        tonight.user_id,
        case when any_value(known_users.user_id) is not null then count(before.item_id) end as kept
    from tonight
    left join known_users on known_users.user_id = tonight.user_id
    left join before on before.user_id = tonight.user_id and before.item_id = tonight.item_id
    group by tonight.user_id
)
select kept, count(*) as users
from per_user
group by kept
order by kept nulls last;
