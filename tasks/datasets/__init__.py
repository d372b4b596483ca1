"""Data sets by name: the generated demo, and MovieLens, downloaded and verified."""
