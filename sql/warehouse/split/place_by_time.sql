-- Interactions lie in the order of their times.
-- Inputs:  none.
-- Outputs: temp macros placed_at(user_id, item_id, moment) and link_placed_at(moment): the moment.
create or replace temp macro placed_at(user_id, item_id, moment) as moment;

create or replace temp macro link_placed_at(moment) as moment;
