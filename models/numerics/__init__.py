"""Numerical building blocks: threads, Adam, sparse products, eigenvectors, truncated SVD, unit vectors."""
