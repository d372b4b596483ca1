"""How good lists are, and how sure we can be of it."""
