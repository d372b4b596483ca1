-- Takes forgotten items out of the lists of one kind of one run, and closes up the ranks of the lists that held them.
-- Inputs:  {lists}, a run's table; {owner}, the column that says whose list a row is of (user, item or segment); {item},
--          the column of the listed item; {others}, its columns but the rank; forgotten_items (item_id).
-- Output:  in each list that held one, ranks are 1, 2, 3 … again, in the same order. Other lists are not written.
-- The lists are deleted and inserted again: an update would collide with the primary key (owner, rank) half-way.
create temporary table shortened as
select distinct {owner} as owner
from {lists}
where {item} in (select item_id from forgotten_items);

create temporary table closed_up as
select {others}, row_number() over (partition by {owner} order by rank) as rank
from {lists}
where
    {owner} in (select owner from shortened)
    and {item} not in (select item_id from forgotten_items);

delete from {lists}
where {owner} in (select owner from shortened);

insert into {lists} ({others}, rank)
select {others}, rank
from closed_up;

drop table closed_up;

drop table shortened;
