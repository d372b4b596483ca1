-- Makes features of described values: attributes of items, features of users.
-- Inputs:  none.
-- Output:  temp macro features_of_values(described): owner, name, feature; `described` names a table (owner, name, value),
--          without nulls.
-- Grain:   one row per row of `described`.
-- The values of one name are numbers if all can be read so, and more than 12 differ. Then they become at most 8 classes of
-- about equal size, named by their least and greatest number, as age:25-34; equal numbers are in one class. Other values
-- are categories, as gender:F.
create or replace temp macro number_text(x) as
    case when x = trunc(x) and abs(x) < 1e15 then x::bigint::text else x::text end;

create or replace temp macro features_of_values(described) as table
    with described_values as (
        select owner, name, value, try_cast(value as double) as number from query_table(described)
    ),
    kinds as (
        select name, count(*) = count(*) filter (isfinite(number)) and count(distinct number) > 12 as are_numbers
        from described_values
        group by name
    ),
    placed as (
        select distinct name, number, ceil(8 * cume_dist() over (partition by name order by number)) as class
        from described_values
        join kinds using (name)
        where are_numbers
    ),
    classes as (
        select name, class, number_text(min(number)) as least, number_text(max(number)) as greatest
        from placed
        group by name, class
    )
    select owner, name, name || ':' || regexp_replace(value, '^(-?[0-9]+)\.0+$', '\1') as feature
    from described_values
    join kinds using (name)
    where not are_numbers
    union all
    select owner, name, name || ':' || least || case when greatest != least then '-' || greatest else '' end
    from described_values
    join placed using (name, number)
    join classes using (name, class);
