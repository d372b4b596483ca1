"""Models that list the same items for all users."""
