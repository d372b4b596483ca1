"""The algorithms and their mathematics: numpy, scipy, torch and implicit; no Prefect, no SQL, no settings file."""
