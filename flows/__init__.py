"""Start and show nights: the Prefect flow, the command line, terminal output."""

# ruff: noqa: E402, I001

from nightly_recs import refuse_other_packages

refuse_other_packages()

# First of our modules, because it reads the source: no other may be loaded before.
import tasks

from flows.numba_cache import set_numba_cache

set_numba_cache()  # before numba is loaded

__all__ = ["tasks"]
