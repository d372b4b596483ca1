-- Interactions lie in the order of their times.
-- Inputs:  none.
-- Output:  temp macro placed_at(user_id, item_id, moment): the moment.
create or replace temp macro placed_at(user_id, item_id, moment) as moment;
