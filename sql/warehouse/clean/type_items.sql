-- Types the raw items. Only an item without a valid id, or with a NUL character, is faulty: its id becomes null.
-- Inputs:  raw_items; temp column_formats; $item_example (a value of the item ids' type); $genre_separator.
-- Outputs: temp read_items, with genres as text[], without blanks, words for no value, repeats and MovieLens'
--          '(no genres listed)'; the faulty rows are added to temp faulty_rows.
-- Grain:   one row per raw row.
-- Genres are split at $genre_separator, unless the text is a list in brackets, as JSON or as Python writes it: of names,
-- ["Drama", "Noir"], or of objects with a name, [{'id': 18, 'name': 'Drama'}].
create or replace temp macro quoted_texts(x) as list_transform(
    regexp_extract_all(x, '''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*"'),
    lambda quoted: replace(replace(quoted[2:-2], '\''', ''''), '\"', '"')
);

create or replace temp macro names_of_objects(x) as list_transform(
    regexp_extract_all(x, '[''"]name[''"] *: *(''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*")', 1),
    lambda quoted: quoted_texts(quoted)[1]
);

create or replace temp macro listed_genres(x) as case
    when json_valid(x) and contains(x, '{') then json_extract_string(x, '$[*].name')
    when json_valid(x) then json_extract_string(x, '$[*]')
    when contains(x, '{') then names_of_objects(x)
    when contains(x, '''') or contains(x, '"') then quoted_texts(x)
    else string_split(x[2:-2], ',')
end;

create or replace temp macro genres_of(x, separator) as case
    when starts_with(x, '[') and ends_with(x, ']') then listed_genres(x)
    else string_split(coalesce(x, ''), separator)
end;

create or replace temp table read_items as
with typed as (
    select
        file_id,
        line,
        case
            when not contains(coalesce(title, '') || coalesce(genres, ''), chr(0))
                then id_of(id_text(item_id, $item_example), $item_example, item_is_float)
        end as item_id,
        value_of(title) as title,
        list_transform(
            genres_of(value_of(genres), $genre_separator), lambda genre: value_of(genre)
        ) as genres
    from raw_items
    inner join column_formats using (file_id)
)
select
    file_id,
    line,
    item_id,
    title,
    list_filter(
        genres,
        lambda genre, position: genre != '(no genres listed)' and list_position(genres, genre) = position
    ) as genres
from typed;

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_items
    where item_id is null
)
select
    'items',
    file_id,
    line,
    to_json({'item': item_id, 'title': title, 'genres': genres})::text,
    faults([
        id_fault(stripped(item_id), 'item id', $item_example),
        case when contains(title, chr(0)) then 'title holds a NUL character' end,
        case when contains(genres, chr(0)) then 'genres hold a NUL character' end
    ])
from raw_items
semi join faulty using (file_id, line);
