-- The pairs of user and item that first met at or after the user's cutoff: nothing else can be relevant, or be a rating
-- to predict.
-- Inputs:  temp view windowed_interactions over the windows after the cutoffs; interactions_before; temp cutoffs; $as_of;
--          $seed.
-- Outputs: temp newly_met (user_id, item_id, met_at, of the pair's first interaction), one row per pair with an interaction
--          in the user's window and none before it;
--          temp halves (user_id, half 0 select or 1 report), one row per user.
-- Grain:   see the outputs. The half is the lowest bit of the ninth byte of md5('<seed>:<user_id>'): a user stays in the
--          same half every night, whichever other users there are.
create or replace temp table newly_met as
with seen_before as (
    select user_id, item_id
    from interactions_before($as_of)
    join cutoffs using (user_id)
    where happened_at < cutoff
)
select user_id, item_id, min(happened_at) as met_at
from windowed_interactions
anti join seen_before using (user_id, item_id)
group by user_id, item_id;

create or replace temp table halves as
select user_id, (md5_number_lower($seed::text || ':' || user_id::text) % 2)::tinyint as half
from cutoffs;
