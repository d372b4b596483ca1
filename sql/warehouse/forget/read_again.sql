-- Lets the next night read the files again from which rows were refused: somebody was remembered.
-- Inputs:  landed_files.
-- Output:  their reader is empty, which no reader's hash is; clean_state is empty, because the same files then hold more.
update landed_files
set reader = ''
where forgotten > 0;

delete from clean_state;
