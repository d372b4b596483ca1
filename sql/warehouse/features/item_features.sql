-- The features of items: their genres in the catalogue, which have no time, and the tags inside the windows.
-- Inputs:  items; temp view windowed_tags; temp item_map.
-- Output:  temp item_features (item_idx, feature, times): 1 for a genre, for a tag how often it was given.
--          Features are named genre:Drama or tag:noir.
-- Grain:   one row per item and feature.
create or replace temp table item_features as
select item_idx, 'genre:' || genre as feature, 1 as times
from (select item_id, unnest(genres) as genre from items)
join item_map using (item_id)
union all
select item_idx, 'tag:' || tag as feature, count(*) as times
from windowed_tags
join item_map using (item_id)
group by item_idx, tag;
