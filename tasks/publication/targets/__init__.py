"""Serving databases: one small interface, one module for each kind."""
