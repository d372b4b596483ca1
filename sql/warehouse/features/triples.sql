-- The relations as numbers; those about items that the snapshot lacks are left out.
-- Inputs:  relations; temp item_map, entity_map, relation_map.
-- Output:  head, relation_idx, tail (nodes), sorted by all three.
-- Grain:   one row per relation.
select
    coalesce(head_items.item_idx, head_entities.node) as head,
    relation_idx,
    coalesce(tail_items.item_idx, tail_entities.node) as tail
from relations
join relation_map using (relation)
left join item_map as head_items on head_items.item_id = head_item
left join entity_map as head_entities on head_entities.entity = head_entity
left join item_map as tail_items on tail_items.item_id = tail_item
left join entity_map as tail_entities on tail_entities.entity = tail_entity
where head is not null and tail is not null
order by head, relation_idx, tail;
