-- The lists that are judged: those of users with a later positive. Users without a list got the fallback list of all.
-- Inputs:  temp later_positives; temp view published_lists (user_id, rank, item_id, model, variant);
--          $fallback_path, the run's fallback lists.
-- Outputs: temp judged_users (user_row from 0 in the order of the ids, user_id, variant null outside a trial, has_list,
--          n_positives), one row per user with a later positive;
--          temp judged_lists (user_row, rank, item_id, model), one row per listed item.
-- Grain:   as said above.
create or replace temp table judged_users as
with listed as (
    select user_id, any_value(variant) as variant
    from published_lists
    semi join later_positives using (user_id)
    group by user_id
),
acted as (
    select user_id, count(*) as n_positives from later_positives group by user_id
)
select
    (row_number() over (order by acted.user_id) - 1)::integer as user_row,
    acted.user_id,
    variant,
    listed.user_id is not null as has_list,
    n_positives
from acted
left join listed on acted.user_id = listed.user_id
order by user_row;

create or replace temp table judged_lists as
select user_row, rank, item_id, model
from published_lists
join judged_users using (user_id)
union all
select user_row, rank, item_id, 'fallback' as model
from judged_users
cross join read_parquet($fallback_path)
where not has_list and segment = 'all';
