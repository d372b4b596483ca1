-- When each user first had anything to do with each item: the history that later positives are new to.
-- Inputs:  interactions_before (split/interactions.sql); $until, exclusive.
-- Output:  temp first_met (user_id, item_id, met_at).
-- Grain:   one row per pair of user and item, of any kind of interaction.
create or replace temp table first_met as
select user_id, item_id, min(happened_at) as met_at
from interactions_before($until)
group by user_id, item_id;
