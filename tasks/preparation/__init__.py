"""From clean tables to matrices: the split, the utility snapshot, the holdout."""
