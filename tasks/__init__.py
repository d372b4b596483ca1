"""The stages of the night, a room each: they move data and call models/ and sql/."""
