-- Removes forgotten items from the catalogue.
-- Inputs:  items; forgotten_items (item_id).
-- Output:  their rows are deleted. Rules of them stay: a block must hold if an item is remembered.
delete from items
where item_id in (select item_id from forgotten_items);
