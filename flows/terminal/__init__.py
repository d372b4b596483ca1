"""The output of commands: progress, tables, errors."""
