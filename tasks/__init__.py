"""The stages of the night, one module each: they move data and call models/ and sql/."""
