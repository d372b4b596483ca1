"""What a home keeps between nights: artifacts, run records, the DuckDB warehouse."""
