-- Replaces what is kept of the files of the input folder.
-- Inputs:  $paths, $devices, $inodes, $sizes, $mtimes_ns, $ctimes_ns, $hashes, $mixes_line_ends, lists of one length.
-- Output:  known_files, replaced.
-- Grain:   one row per file.
delete from known_files;

insert into known_files
select
    unnest($paths::text[]),
    unnest($devices::hugeint[]),
    unnest($inodes::hugeint[]),
    unnest($sizes::bigint[]),
    unnest($mtimes_ns::bigint[]),
    unnest($ctimes_ns::bigint[]),
    unnest($hashes::text[]),
    unnest($mixes_line_ends::boolean[]);
