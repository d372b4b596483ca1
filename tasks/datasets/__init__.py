"""Data sets by name: the demo, made here, and MovieLens, downloaded and verified."""
