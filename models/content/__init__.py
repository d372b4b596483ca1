"""Models that know items by their genres and tags."""
