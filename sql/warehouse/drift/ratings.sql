-- Histogram of the ratings that are visible when tonight's data end: the newest of each user and item.
-- Inputs:  ratings; $as_of, the end of tonight's data (exclusive); $edges double[], ascending.
-- Output:  histogram, map(edge, ratings above the edge before and at most this high), the last key infinity; null
--          without ratings. n_new, null: new ratings count among the rows of the days.
-- Grain:   one row.
select histogram(rating, $edges::double[]) as histogram, null as n_new
from ratings
where rated_at < $as_of::timestamp and (superseded_at is null or superseded_at >= $as_of::timestamp);
