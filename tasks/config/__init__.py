"""Settings: their names, types and defaults, where they are read from, and messages about wrong ones."""
