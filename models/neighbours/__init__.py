"""Models that score items by their likeness to others."""
