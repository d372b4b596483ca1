-- In: items (genres text[]).
-- Out: one row per genre of the catalogue, in order: genre.
select distinct unnest(genres) as genre
from items
order by genre
