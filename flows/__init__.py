"""Start and show nights: the Prefect flow, the command line, terminal output."""

# First of all, because it reads the source: no other module of ours may be loaded before.
import tasks

__all__ = ["tasks"]
