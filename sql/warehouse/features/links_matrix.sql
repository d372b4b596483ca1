-- The links between users of the snapshot.
-- Inputs:  temp windowed_links, user_map.
-- Output:  row_idx, column_idx (the friend), value (the weight), sorted by both indices.
-- Grain:   one row per link and direction.
select own.user_idx as row_idx, friends.user_idx as column_idx, weight::float as value
from windowed_links
join user_map as own on own.user_id = windowed_links.user_id
join user_map as friends on friends.user_id = windowed_links.friend_id
order by row_idx, column_idx;
