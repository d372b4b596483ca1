"""Metrics of ranked lists, and their uncertainty."""
