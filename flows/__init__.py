"""Start and show nights: the Prefect flow, the command line, terminal output."""

# ruff: noqa: I001

import nightly_recs  # noqa: F401  (lets `tasks` and `models` be found, and no others of these names)

# First of our modules, because it reads the source: no other may be loaded before.
import tasks

from flows.numba_cache import set_numba_cache

set_numba_cache()  # before numba is loaded

__all__ = ["tasks"]
