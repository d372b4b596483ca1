"""Models that give users and items a vector each."""
