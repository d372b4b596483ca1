-- The words of titles, in lower case: letters and digits, at least two, without a year in brackets at the end. A word that
-- one item has alone says nothing, and one that over a tenth of the items have, as `the`, says little: both are left out.
-- Inputs:  items; temp item_map.
-- Output:  temp features (row_idx, feature, times): how often the word stands in the title.
-- Grain:   one row per item and word.
create or replace temp table features as
with titles as (
    select item_idx, lower(regexp_replace(title, '\s*[(\[]\d{4}[)\]]\s*$', '')) as title
    from items
    join item_map using (item_id)
    where title is not null
),
words as (
    select item_idx, unnest(regexp_split_to_array(title, '[^\p{L}\p{M}\p{N}]+')) as word
    from titles
),
counts as (
    select item_idx, word, count(*) as times
    from words
    where length(word) > 1
    group by item_idx, word
),
telling as (
    select word
    from counts
    group by word
    having count(*) between 2 and (select count(*) from titles) / 10
)
select item_idx as row_idx, word as feature, times
from counts
semi join telling using (word);
