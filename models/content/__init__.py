"""Models that know items by what is said about them."""
