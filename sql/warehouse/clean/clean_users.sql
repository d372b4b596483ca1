-- Builds the users, as schema.sql describes them, from the typed rows without faults: the last row of each user.
-- Inputs:  temp read_users, dropped at the end; temp file_order; temp repeat_counts.
-- Outputs: users, replaced; a row of repeat_counts.
-- Grain:   one row per user.
create or replace temp table user_history as
select
    user_id,
    features,
    row_number() over (partition by user_id order by position desc, line desc) as age
from read_users
inner join file_order using (file_id)
where user_id is not null;

create or replace table users as
select user_id, features
from user_history
where age = 1
order by user_id;

insert into repeat_counts (source, duplicates)
select 'users', count(*) from user_history where age > 1;

drop table read_users;
drop table user_history;
