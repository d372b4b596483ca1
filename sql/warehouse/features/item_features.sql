-- The features of items: their genres and attributes in the catalogue, which have no time, and the tags inside the windows.
-- Inputs:  items; temp view windowed_tags; temp item_map; features_of_values (features/value_classes.sql).
-- Output:  temp features (row_idx, feature, times): 1 for a genre or an attribute, for a tag how often it was given.
--          Features are named genre:Drama, director:Lang or tag:noir.
-- Grain:   one row per item and feature.
create or replace temp table described_items as
select item_id as owner, key as name, unnest(value) as value
from (select item_id, unnest(map_entries(attributes), recursive := true) from items);

create or replace temp table features as
select item_idx as row_idx, 'genre:' || genre as feature, 1 as times
from (select item_id, unnest(genres) as genre from items)
join item_map using (item_id)
union all
select distinct item_idx, feature, 1
from features_of_values('described_items')
join item_map on item_id = owner
union all
select item_idx, 'tag:' || tag as feature, count(*) as times
from windowed_tags
join item_map using (item_id)
group by item_idx, tag;
