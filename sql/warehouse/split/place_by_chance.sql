-- Interactions lie in an order drawn at random: the one that a split of data without times holds out from.
-- Inputs:  $seed; $as_of, the end of the data, exclusive.
-- Outputs: temp macro placed_at(user_id, item_id, moment): a moment of 1900-01-01 by the hash of seed, user and item, so
--          that all interactions of a pair fall on the same side of a cutoff. Moments from as_of on stay what they are.
--          Temp macro link_placed_at(moment): the beginning of 1900, because links are not held out at random.
set variable split_seed = $seed;
set variable split_as_of = $as_of::timestamp;

create or replace temp macro placed_at(user_id, item_id, moment) as case
    when moment < getvariable('split_as_of')
        then timestamp '1900-01-01'
            + to_microseconds((hash(getvariable('split_seed'), user_id, item_id) % 86400000000)::bigint)
    else moment
end;

create or replace temp macro link_placed_at(moment) as case
    when moment < getvariable('split_as_of') then timestamp '1900-01-01'
    else moment
end;
