"""From scores to ranked lists: scorers that families of models share, top-N selection, reranking, explanations."""
