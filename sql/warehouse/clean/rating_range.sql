-- Describes the numbers in the rating column, to suggest a scale.
-- Inputs:  raw_ratings; $rating_min, $rating_max.
-- Output:  least, greatest; lowest_share: the share of the least; above_lowest: the least number above it; outside: how
--          many different numbers lie outside the scale. Null without numbers.
-- Grain:   one row.
with numbers as (
    select try_cast(rating as double) as rating, count(*) as n
    from raw_ratings
    group by rating
),
finite as (
    from numbers where isfinite(rating)
)
select
    min(rating) as least,
    max(rating) as greatest,
    (arg_min(n, rating) / sum(n))::double as lowest_share,
    min(rating) filter (rating > (select min(rating) from finite)) as above_lowest,
    count(*) filter (rating not between $rating_min and $rating_max) as outside
from finite;
