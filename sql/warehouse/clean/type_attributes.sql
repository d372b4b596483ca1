-- Types the attributes of items: each value is split as genres are, into values without blanks, words for no value and
-- repeats.
-- Inputs:  raw_items; the macros of type_items.sql; $genre_separator.
-- Output:  temp read_attributes (file_id, line, attributes map(text, text[])), replaced: the attributes with a value.
-- Grain:   one row per raw row with any.
create or replace temp table read_attributes as
with attributes as (
    select file_id, line, unnest(map_entries(described_by), recursive := true)
    from raw_items
),
texts as (
    select file_id, line, key as attribute, value_of(value) as text
    from attributes
),
split as (
    select
        file_id,
        line,
        attribute,
        list_transform(genres_of(text, $genre_separator), lambda value: value_of(value)) as parts
    from texts
    where text is not null
),
distinct_values as (
    select
        file_id,
        line,
        attribute,
        list_filter(
            parts, lambda part, position: part is not null and list_position(parts, part) = position
        ) as parts
    from split
)
select file_id, line, map(list(attribute order by attribute), list(parts order by attribute)) as attributes
from distinct_values
where len(parts) > 0
group by file_id, line;
