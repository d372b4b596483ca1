-- One cutoff for all users.
-- Inputs:  interactions_before; $as_of, exclusive; $cutoff.
-- Output:  temp cutoffs (user_id, cutoff timestamp).
-- Grain:   one row per user with any interaction before as_of.
create or replace temp table cutoffs as
select distinct user_id, $cutoff::timestamp as cutoff
from interactions_before($as_of);
