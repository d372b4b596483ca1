-- Lines whose quotes are broken, found outside the database.
-- In:  $lines, $raws, lists of one length. Out: adds them to temp rejected_lines.
insert into rejected_lines
select unnest($lines::bigint[]), unnest($raws::text[]), ['broken quotes'], false;
