"""Experiment trackers: one module per product, with a `Tracker` that names its `schemes`."""
