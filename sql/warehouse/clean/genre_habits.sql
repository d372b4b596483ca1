-- Describes the genres of the catalogue, to warn of texts that are no genres.
-- Inputs:  items.
-- Output:  genres, how many different ones there are; longest, one of the longest; most_per_item, on one item;
--          joined_share: the share of items with a genre one of whose genres holds a comma, a semicolon, a slash or a bar.
--          joined, an example of those.
-- Grain:   one row.
with genres as (
    select genre, count(*) as items
    from (select unnest(genres) as genre from items)
    group by genre
),
joined as (
    from genres where regexp_matches(genre, '[,;/|]')
)
select
    count(*) as genres,
    arg_max(genre, (length(genre), genre)) as longest,
    (select max(len(genres)) from items) as most_per_item,
    coalesce((select sum(items) from joined) / (select count(*) from items where len(genres) > 0), 0) as joined_share,
    (select arg_max(genre, (items, genre)) from joined) as joined
from genres;
