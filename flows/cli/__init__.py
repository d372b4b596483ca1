"""The commands of `recs`."""
