-- What is said about each item: its genres in the catalogue, which have no time, and the tags inside the windows.
-- Inputs:  items; temp view windowed_tags; temp item_map.
-- Output:  temp item_features (item_idx, feature, times): 1 for a genre, the number of times the tag was given else.
--          Tags are trimmed and lower-cased; features are named genre:Drama or tag:noir.
-- Grain:   one row per item and feature.
create or replace temp table item_features as
select distinct item_idx, 'genre:' || genre as feature, 1 as times
from (select item_id, unnest(genres) as genre from items)
join item_map using (item_id)
where trim(genre) <> ''
union all
select item_idx, 'tag:' || lower(trim(tag)) as feature, count(*) as times
from windowed_tags
join item_map using (item_id)
where trim(tag) <> ''
group by item_idx, feature;
