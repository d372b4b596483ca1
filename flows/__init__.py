"""The flow of the night and the command line; reads top to bottom, holds no logic."""
