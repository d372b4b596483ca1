"""Experiment trackers: a night and its fits, recorded in MLflow or Weights & Biases once the night has ended."""
