-- Describes the numbers in the rating column, to suggest a scale.
-- Inputs:  landed_ratings; temp column_formats; $rating_min, $rating_max; the macros of rejection_reasons.sql.
-- Output:  least, greatest; lowest_share: the share of the least; above_lowest: the least number above it; outside: how
--          many different numbers lie outside the scale; different: how many there are. Null without numbers.
-- Grain:   one row.
with numbers as (
    select number_of(rating, has_comma) as rating, count(*) as n
    from landed_ratings
    inner join column_formats using (file_id)
    group by all
),
finite as (
    from numbers where isfinite(rating)
)
select
    min(rating) as least,
    max(rating) as greatest,
    (arg_min(n, rating) / sum(n))::double as lowest_share,
    min(rating) filter (rating > (select min(rating) from finite)) as above_lowest,
    count(*) filter (rating not between $rating_min and $rating_max) as outside,
    count(*) as different
from finite;
