-- Finds sources that describe no user or item with an interaction: their ids are probably others.
-- Inputs:  ratings, tags, events, users, links, relations.
-- Output:  source; what, users or items; n, how many different ones the source has; example, one of them.
-- Grain:   one row per source that has some and none with an interaction.
with touched_users as (
    select user_id from ratings union select user_id from tags union select user_id from events
),
touched_items as (
    select item_id from ratings union select item_id from tags union select item_id from events
),
described as (
    select 'users' as source, user_id from users
    union
    select 'links', user_id from links
    union
    select 'links', friend_id from links
),
related as (
    select head_item as item_id from relations where head_item is not null
    union
    select tail_item from relations where tail_item is not null
)
select source, 'users' as what, count(*) as n, min(user_id)::text as example
from described
group by source
having count(*) filter (user_id in (from touched_users)) = 0
union all
select 'relations', 'items', count(*), min(item_id)::text
from related
having count(*) > 0 and count(*) filter (item_id in (from touched_items)) = 0
order by source;
