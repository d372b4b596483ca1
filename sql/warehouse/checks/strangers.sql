-- Is there something for users without a list, and for pages about one item.
-- Inputs:  temp views of checks/published_lists.sql.
-- Output:  one row, one column per check: rows of the fallback for everybody; items called similar to themselves.
select
    (select count(*) from published_fallback where segment = 'all') as fallback_rows,
    (select count(*) from published_similar_items where item_id = similar_item_id) as similar_to_itself;
