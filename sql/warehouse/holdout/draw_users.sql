-- Draws the users to judge where there are more than `judge.max_users`. The draw depends on a user's id and the seed alone,
-- not on the half, so that nearly the same users are judged every night.
-- Inputs:  temp relevant, halves; $seed; $max_users, of those with history, and as many of those without.
-- Outputs: relevant and halves, without users beyond the last number that was drawn, judged by lists or by ratings alone; temp
--          drawn (has_history, last, the greatest drawn number; not_drawn, how many could be judged and were not drawn).
-- Grain:   unchanged; drawn one row for each kind of users.
create or replace temp macro number_of(user_id, seed) as md5_number_upper(seed::text || ':' || user_id::text);

create or replace temp table drawn as
with judgeable as (
    select distinct user_id, user_idx is not null as has_history
    from relevant
    where is_touched
),
numbered as (
    select has_history, number, row_number() over (partition by has_history order by number) as place
    from (select has_history, number_of(user_id, $seed) as number from judgeable)
)
select
    has_history,
    max(number) filter (place <= $max_users) as last,
    count(*) filter (place > $max_users) as not_drawn
from numbered
group by has_history;

delete from relevant
using drawn
where not_drawn > 0 and has_history = (user_idx is not null) and number_of(user_id, $seed) > last;

delete from halves
where number_of(user_id, $seed) > (select last from drawn where has_history and not_drawn > 0);
