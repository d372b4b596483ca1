"""One night from start to end: the stages, their order, and the record of how it ended."""
