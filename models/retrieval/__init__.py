"""Retrieval models: users and items are encoded apart from all they are known by, and meet in one product."""
