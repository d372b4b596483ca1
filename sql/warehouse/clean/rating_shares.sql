-- Describes the ratings of the present, to warn of settings that do not fit them.
-- Inputs:  ratings; $relevant_rating.
-- Output:  ratings, how many there are; least, greatest; liked_share, from $relevant_rating on; least_share, equal to the
--          least; different, how many values there are.
-- Grain:   one row; null or 0 without ratings.
with rated as (
    select rating, count(*) as n
    from ratings
    where superseded_at is null and rating is not null
    group by rating
)
select
    coalesce(sum(n), 0)::bigint as ratings,
    min(rating) as least,
    max(rating) as greatest,
    coalesce(sum(n) filter (rating >= $relevant_rating), 0) / sum(n) as liked_share,
    arg_min(n, rating) / sum(n) as least_share,
    count(*) as different
from rated;
