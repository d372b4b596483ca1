"""Prefect's server, home folder and signals."""
