"""Threads and memory that this process uses, decided in one place for DuckDB, BLAS, OpenMP, numba, torch and implicit.

`use_resources` is called once, before the work begins. The libraries read environment variables when they are loaded,
so that those loaded later obey too, as do child processes.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from models.numerics.machine import allowed_cores, allowed_memory, usable_cores
from models.numerics.threads import limit_blas

_GENERAL = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
_SPECIAL = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # without them, OMP_NUM_THREADS counts
_UNKNOWN_MEMORY = 8_000_000_000  # bytes, where the machine does not tell
_DUCKDB_SHARE = 0.5  # numpy, torch and the fits need the rest
_MODEL_SHARE = 0.25  # a model's neighbours, beside the training matrix and what the fit needs


class Resources(NamedTuple):
    """Limits of a process.

    Attributes:
        threads: that compute at the same time.
        memory_mb: in units of 10^6 bytes.
        fits: models that are fitted beside each other.
    """

    threads: int
    memory_mb: float
    fits: int = 1

    @property
    def duckdb_mb(self) -> int:
        """Return the part of the memory that DuckDB may use before it writes to disk."""
        return max(1, int(self.memory_mb * _DUCKDB_SHARE))

    @property
    def model_mb(self) -> int:
        """Return the greatest default of a model's `memory_mb`: fits beside each other share it."""
        return max(1, int(self.memory_mb * _MODEL_SHARE / self.fits))


class _InForce:
    """Limits of the last call of `use_resources`."""

    limits: Resources | None = None


def resources() -> Resources:
    """Return the limits in force; without a call of `use_resources`, those of the machine or its control group."""
    return _InForce.limits or _allowed()


def use_resources(threads: int = 0, memory_gb: float = 0, fits: int = 1) -> Resources:
    """Put limits into force for the whole process and return them.

    Args:
        threads: how many; 0 for what the machine or its control group allows. Then environment variables such as
            OMP_NUM_THREADS, which operators may have set, win.
        memory_gb: in 10^9 bytes; 0 for what the machine or its control group allows.
        fits: models that are fitted beside each other.
    """
    allowed = _allowed()
    if threads:
        _limit_libraries(dict.fromkeys((*_GENERAL, *_SPECIAL), str(threads)))
    elif allowed.threads < usable_cores():
        _limit_libraries({name: os.environ.get(name, str(allowed.threads)) for name in _GENERAL})
    _InForce.limits = Resources(threads or allowed.threads, memory_gb * 1000 or allowed.memory_mb, fits)
    return _InForce.limits


def _allowed() -> Resources:
    return Resources(allowed_cores(), (allowed_memory() or _UNKNOWN_MEMORY) / 1e6)


def _limit_libraries(variables: dict[str, str]) -> None:
    """Set the environment variables, and the limits of the libraries that have read theirs already."""
    if "numba" in sys.modules:
        _limit_numba(int(variables["NUMBA_NUM_THREADS"]))
        variables = {name: value for name, value in variables.items() if name != "NUMBA_NUM_THREADS"}
    os.environ.update(variables)
    limit_blas(int(os.environ.get("OPENBLAS_NUM_THREADS", variables["OMP_NUM_THREADS"])))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(
            int(os.environ.get("MKL_NUM_THREADS", variables["OMP_NUM_THREADS"]))
        )


def _limit_numba(threads: int) -> None:
    """Limit numba's threads. Once launched their number is fixed: then only the calling thread uses fewer."""
    import numba  # noqa: PLC0415  (loaded already)
    from numba.np.ufunc import parallel  # noqa: PLC0415

    if parallel._is_initialized:  # numba refuses another number in the environment from here on
        numba.set_num_threads(min(threads, parallel.NUM_THREADS))
        return
    os.environ["NUMBA_NUM_THREADS"] = str(threads)
    numba.config.reload_config()  # type: ignore[no-untyped-call]
    parallel.NUM_THREADS = threads  # read from the config when numba was imported, and used at the launch
