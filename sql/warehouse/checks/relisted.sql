-- Counts the listed items that their user had seen by the live run's data, which tonight's data may lack.
-- Inputs:  temp view published_recommendations (checks/published_lists.sql); earlier_users (user_idx, user_id), earlier_items
--          (item_idx, item_id) and earlier_seen (user_idx, item_idx), registered, of the live run; $exclude_seen.
-- Output:  temp table relisted: rows: of tonight's lists; seen_rows: those of them that the live run knew as seen; users:
--          the users who get one. All are 0 unless $exclude_seen.
-- Grain:   one row.
create or replace temp table relisted as
with listed as (
    select user_idx, item_idx
    from published_recommendations
    join earlier_users using (user_id)
    join earlier_items using (item_id)
    where $exclude_seen
),
seen as (
    from listed semi join earlier_seen using (user_idx, item_idx)
)
select
    (select count(*) from published_recommendations where $exclude_seen) as rows,
    count(*) as seen_rows,
    count(distinct user_idx) as users
from seen;
