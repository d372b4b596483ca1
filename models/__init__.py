"""The algorithms and their mathematics; knows numpy, scipy, torch and implicit, but no Prefect, SQL or settings file."""
