"""Fit one model, or the ensemble of several."""
