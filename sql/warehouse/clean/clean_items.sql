-- Builds the items, as schema.sql describes them, from the typed rows without faults: the last row of each item.
-- Inputs:  temp read_items, read_attributes, dropped at the end; temp file_order; temp repeat_counts.
-- Outputs: items, replaced; a row of repeat_counts.
-- Grain:   one row per item.
create or replace temp table item_history as
select
    item_id,
    title,
    genres,
    coalesce(attributes, map {}) as attributes,
    row_number() over (partition by item_id order by position desc, line desc) as age
from read_items
inner join file_order using (file_id)
left join read_attributes using (file_id, line)
where item_id is not null;

create or replace table items as
select item_id, title, genres, attributes
from item_history
where age = 1
order by item_id;

insert into repeat_counts (source, duplicates)
select 'items', count(*) from item_history where age > 1;

drop table read_items;
drop table read_attributes;
drop table item_history;
