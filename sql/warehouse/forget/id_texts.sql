-- The distinct texts in the id columns of the raw tables.
-- Inputs:  the raw tables.
-- Output:  source, id_column, value.
-- Grain:   one row per source, column and text.
select 'ratings' as source, 'user_id' as id_column, user_id as value from landed_ratings where user_id is not null group by all
union all select 'ratings', 'item_id', item_id from landed_ratings where item_id is not null group by all
union all select 'tags', 'user_id', user_id from landed_tags where user_id is not null group by all
union all select 'tags', 'item_id', item_id from landed_tags where item_id is not null group by all
union all select 'events', 'user_id', user_id from landed_events where user_id is not null group by all
union all select 'events', 'item_id', item_id from landed_events where item_id is not null group by all
union all select 'items', 'item_id', item_id from raw_items where item_id is not null group by all
union all select 'users', 'user_id', user_id from raw_users where user_id is not null group by all
union all select 'links', 'user_id', user_id from raw_links where user_id is not null group by all
union all select 'links', 'friend_id', friend_id from raw_links where friend_id is not null group by all
union all select 'relations', 'head', head from raw_relations where head is not null group by all
union all select 'relations', 'tail', tail from raw_relations where tail is not null group by all;
