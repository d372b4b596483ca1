-- Takes forgotten items out of the explanations of other items.
-- Inputs:  {lists}, a run's table of recommendations; forgotten_items (item_id).
-- Output:  their reason_item_id becomes null.
update {lists}
set reason_item_id = null
where reason_item_id in (select item_id from forgotten_items);
