"""The algorithms and their mathematics: numpy, scipy, torch and implicit, but no Prefect, SQL or settings."""
