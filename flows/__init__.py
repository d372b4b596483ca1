"""How nights are started and shown: the Prefect flow, the command line, terminal output."""
