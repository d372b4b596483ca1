"""Sequence models: the order of what users did predicts what they do next."""
