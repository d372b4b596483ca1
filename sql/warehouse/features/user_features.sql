-- The features of users, which have no time.
-- Inputs:  users; temp user_map; features_of_values (features/value_classes.sql).
-- Output:  temp features (row_idx, feature, times): times is 1. Of each column, the 1,000 most frequent features that two
--          users of user_map have at least; of equally frequent ones, the first by name.
-- Grain:   one row per user and feature.
-- The classes of numbers are those of all users, so that they mean the same in both snapshots of a night.
create or replace temp table described_users as
select user_id as owner, key as name, value
from (select user_id, unnest(map_entries(features), recursive := true) from users);

create or replace temp table features as
with of_users as (
    select user_idx, name, feature
    from features_of_values('described_users')
    join user_map on user_id = owner
),
frequent as (
    select name, feature
    from of_users
    group by name, feature
    having count(*) >= 2
    qualify row_number() over (partition by name order by count(*) desc, feature) <= 1000
)
select user_idx as row_idx, feature, 1 as times
from of_users
semi join frequent using (name, feature);
