"""Reports of a night: its figures, its page, comparisons of two nights."""
