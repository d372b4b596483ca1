"""From scores to ranked lists: the scorers that whole families of models share, reranking, explanations."""
