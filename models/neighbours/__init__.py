"""Neighbourhood models: score items by similar items or by similar users."""
