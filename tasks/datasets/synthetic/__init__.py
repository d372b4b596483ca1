"""The generated data set `demo`."""
