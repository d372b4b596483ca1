"""Where the work of a night is done: in its own process, or on the workers of a Ray cluster."""
