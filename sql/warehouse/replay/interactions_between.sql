-- How many interactions there are before a moment, and inside a window.
-- Inputs:  interactions_before (split/interactions.sql); $since; $until, exclusive.
-- Output:  before_it, inside, first_at (of all; null without any interaction).
-- Grain:   one row.
select
    count(*) filter (happened_at < $since::timestamp) as before_it,
    count(*) filter (happened_at >= $since::timestamp and happened_at < $until::timestamp) as inside,
    min(happened_at) as first_at
from interactions_before('infinity');
