"""Linear models of a user's items, solved in closed form."""
