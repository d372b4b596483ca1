-- Describes the genres of the catalogue, to warn of texts that are no genres.
-- Inputs:  items.
-- Output:  genres, how many different ones there are; longest, one of the longest; most_per_item, on one item;
--          joined_share: the share of items with a genre one of whose genres holds a comma, a semicolon, a slash or a bar;
--          joined, an example of those; composed: how many genres consist of names, with one of these between them, that
--          are also genres or parts of other genres; separator and composed_example, the most frequent of them;
--          bracketed: a genre that begins with a bracket, or stands in quotes.
-- Grain:   one row.
with genres as (
    select genre, count(*) as items
    from (select unnest(genres) as genre from items)
    group by genre
),
joined as (
    from genres where regexp_matches(genre, '[,;/|]')
),
parts as (
    select distinct genre, items, separator, trim(unnest(string_split(genre, separator))) as part
    from joined
    cross join (select unnest([',', ';', '/', '|']) as separator)
    where contains(genre, separator)
),
names as (
    select separator, part, count(*) as genres
    from (
        select separator, part, genre from parts
        union all
        select separator, genre, genre from genres, (select distinct separator from parts)
    )
    group by separator, part
),
composed as (
    select separator, genre, items
    from parts
    inner join names using (separator, part)
    group by separator, genre, items
    having min(names.genres) > 1 and bool_and(part != '')
),
composed_by as (
    select separator, count(*) as genres, arg_max(genre, (items, genre)) as example
    from composed
    group by separator
    order by genres desc, separator
    limit 1
)
select
    count(*) as genres,
    arg_max(genre, (length(genre), genre)) as longest,
    (select max(len(genres)) from items) as most_per_item,
    coalesce((select sum(items) from joined) / (select count(*) from items where len(genres) > 0), 0) as joined_share,
    (select arg_max(genre, (items, genre)) from joined) as joined,
    coalesce((select genres from composed_by), 0) as composed,
    (select separator from composed_by) as separator,
    (select example from composed_by) as composed_example,
    arg_max(genre, (items, genre)) filter (regexp_matches(genre, '^[\[{(<]|^''.*''$|^".*"$')) as bracketed
from genres;
