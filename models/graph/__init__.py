"""Models that pass messages along the graph of users, items and their features."""
