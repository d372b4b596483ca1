-- Finds the raw rows that name somebody or something forgotten.
-- Inputs:  the raw tables; temp gone_texts (source, id_column, value), the texts that do; temp gone_rejects (file_id, line).
-- Outputs: temp macro is_gone(source, id_column, value); temp gone_rows, one row per raw row and rejected line: source,
--          file_id, line.
create or replace temp macro is_gone(of_source, in_column, x) as exists (
    from gone_texts
    where source = of_source and id_column = in_column and value = x
);

create or replace temp table gone_rows as
select 'ratings' as source, file_id, line from landed_ratings
where is_gone('ratings', 'user_id', user_id) or is_gone('ratings', 'item_id', item_id)
union all
select 'tags', file_id, line from landed_tags
where is_gone('tags', 'user_id', user_id) or is_gone('tags', 'item_id', item_id)
union all
select 'events', file_id, line from landed_events
where is_gone('events', 'user_id', user_id) or is_gone('events', 'item_id', item_id)
union all
select 'items', file_id, line from raw_items where is_gone('items', 'item_id', item_id)
union all
select 'users', file_id, line from raw_users where is_gone('users', 'user_id', user_id)
union all
select 'links', file_id, line from raw_links
where is_gone('links', 'user_id', user_id) or is_gone('links', 'friend_id', friend_id)
union all
select 'relations', file_id, line from raw_relations
where is_gone('relations', 'head', head) or is_gone('relations', 'tail', tail)
union all
select 'rejects', file_id, line from gone_rejects;
