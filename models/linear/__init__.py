"""Models that are linear in what the user did, and solved in closed form."""
