"""Export: the parts of a fitted model that serve new users outside of this project, as torch modules and arrays."""
