"""Storage in a home: artifacts and their cache keys, run records, the DuckDB warehouse."""
