"""Numerical building blocks: threads, optimiser, sparse products, truncated SVD."""
