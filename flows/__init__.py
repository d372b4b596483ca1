"""Start and show nights: the Prefect flow, the command line, terminal output."""

from flows.numba_cache import set_numba_cache
from nightly_recs import refuse_other_packages

refuse_other_packages()
set_numba_cache()

# Before all other modules of ours, because it reads the source
import tasks  # noqa: E402

__all__ = ["tasks"]
