"""The stages of the night, a room each: they move data and call models/ and sql/."""

# First of all, because it reads the source: no other module of ours may be loaded before.
from tasks.storage import cache_key

__all__ = ["cache_key"]
