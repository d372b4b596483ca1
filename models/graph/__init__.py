"""Models that propagate embeddings along the graph of users, items and their features."""
