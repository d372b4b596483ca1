-- The genres of the catalogue.
-- Inputs:  items (genres text[]).
-- Output:  genre, in order.
-- Grain:   one row per genre.
select distinct unnest(genres) as genre
from items
order by genre
