"""From input files to clean tables in the warehouse."""
