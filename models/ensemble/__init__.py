"""Models that combine the lists of other models."""
