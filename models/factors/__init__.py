"""Models that represent users and items by vectors of latent factors."""
