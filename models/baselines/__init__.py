"""Models without a personal side."""
