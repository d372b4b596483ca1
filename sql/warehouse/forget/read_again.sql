-- Lets the next night read the files again from which rows were refused: somebody was remembered.
-- Inputs:  landed_files.
-- Output:  their reader is empty, which no reader's hash is.
update landed_files
set reader = ''
where forgotten > 0;
