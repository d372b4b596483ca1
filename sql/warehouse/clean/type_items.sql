-- Types the raw items. Only an item without a valid id, or with a NUL character, is faulty: its id becomes null.
-- Inputs:  raw_items; temp column_formats; $item_example (a value of the item ids' type); $genre_separator.
-- Outputs: temp read_items, with genres as text[], without blanks, words for no value, repeats and MovieLens'
--          '(no genres listed)'; the faulty rows are added to temp faulty_rows; temp read_attributes (file_id, line,
--          attributes), empty: type_attributes.sql replaces it.
-- Grain:   one row per raw row.
-- Genres are split at $genre_separator, unless the text is a list in brackets, as JSON, Python or PostgreSQL write it: of
-- names, ["Drama", "Noir"], ('Drama', 'Noir') or {Drama,"Film Noir"}, or of objects with a name, [{'id': 18, 'name':
-- 'Drama'}], also a single one. Objects without a name give their texts, {"/m/07": "Drama"}, or their keys, {'Drama': 12}.
create or replace temp macro unquoted(x) as case
    when regexp_full_match(x, '(?s)''.*''|".*"') then replace(replace(x[2:-2], '\''', ''''), '\"', '"')
    else x
end;

-- The elements of a list, in quotes or without; words for no value such as None only in quotes.
create or replace temp macro listed_texts(x) as list_transform(
    list_filter(
        regexp_extract_all(x[2:-2], '(''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*"|[^,\s][^,]*)'),
        lambda element: not is_no_value(trim(element))
    ),
    lambda element: unquoted(trim(element))
);

create or replace temp macro names_of_objects(x) as list_transform(
    regexp_extract_all(x, '[''"]name[''"] *: *(''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*")', 1),
    lambda quoted: unquoted(quoted)
);

create or replace temp macro texts_of_objects(x) as list_transform(
    regexp_extract_all(x, ': *(''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*")', 1), lambda quoted: unquoted(quoted)
);

create or replace temp macro keys_of_objects(x) as list_transform(
    regexp_extract_all(x, '(''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*") *:', 1), lambda quoted: unquoted(quoted)
);

-- JSON is read as such where its names are at the usual place: they may hold escapes.
create or replace temp macro json_names(x) as case
    when not json_valid(x) then null
    when starts_with(x, '[') then json_extract_string(x, '$[*].name')
    else [json_extract_string(x, '$.name')]
end;

create or replace temp macro genres_of_objects(x) as case
    when len(list_filter(json_names(x), lambda name: name is not null)) > 0 then json_names(x)
    when len(names_of_objects(x)) > 0 then names_of_objects(x)
    when len(texts_of_objects(x)) > 0 then texts_of_objects(x)
    else keys_of_objects(x)
end;

create or replace temp macro listed_genres(x) as case
    when regexp_matches(x, '^[\[(]?\s*\{\s*[''"]([^''"\\]|\\.)*[''"]\s*:') then genres_of_objects(x)
    when starts_with(x, '[') and json_valid(x) then json_extract_string(x, '$[*]')
    else listed_texts(x)
end;

-- Round brackets hold a list if a quote or a comma says so, or if they are empty: '(Post-)Punk (UK)' is a genre.
create or replace temp macro is_list(x) as case x[1]
    when '[' then ends_with(x, ']')
    when '{' then ends_with(x, '}')
    when '(' then regexp_full_match(x, '(?s)\(\s*\)|\([^()]*,[^()]*\)|\(\s*[''"].*[''"]\s*,?\s*\)')
    else x = 'set()'
end;

create or replace temp macro genres_of(x, separator) as case
    when x = 'set()' then []
    when is_list(x) then listed_genres(x)
    else string_split(coalesce(x, ''), separator)
end;

create or replace temp table read_items as
with texts as (
    select
        file_id,
        line,
        id_text(item_id, $item_example) as item_text,
        item_is_float,
        value_of(title) as title,
        value_of(genres) as genres_text,
        contains(coalesce(title, '') || coalesce(genres, '') || coalesce(described_by::text, ''), chr(0)) as has_nul
    from raw_items
    inner join column_formats using (file_id)
),
typed as (
    select
        file_id,
        line,
        case when not has_nul then id_of(item_text, $item_example, item_is_float) end as item_id,
        title,
        list_transform(genres_of(genres_text, $genre_separator), lambda genre: value_of(genre)) as genres
    from texts
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

create or replace temp table read_attributes (file_id integer, line bigint, attributes map(text, text[]));

insert into faulty_rows
with faulty as (
    select file_id, line
    from read_items
    where item_id is null
),
texts as (
    select *, stripped(item_id) as item_text
    from raw_items
    semi join faulty using (file_id, line)
)
select
    'items',
    file_id,
    line,
    to_json({'item': item_id, 'title': title, 'genres': genres, 'attributes': described_by})::text,
    faults([
        id_fault(item_text, 'item id', $item_example),
        case when contains(title, chr(0)) then 'title holds a NUL character' end,
        case when contains(genres, chr(0)) then 'genres hold a NUL character' end,
        case when contains(described_by::text, chr(0)) then 'attributes hold a NUL character' end
    ])
from texts;
