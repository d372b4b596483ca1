"""Checks of the lists before they go live."""
