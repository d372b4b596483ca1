"""The one top-N scorer of all factor models."""
