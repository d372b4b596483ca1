-- Removes the lists of items similar to forgotten items.
-- Inputs:  {lists}, a run's table of similar items; forgotten_items (item_id).
-- Output:  their rows are deleted.
delete from {lists}
where item_id in (select item_id from forgotten_items);
