"""The local browser of lists, `recs browse`."""
