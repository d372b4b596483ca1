"""From scores to lists: the scorers that whole families of models share."""
