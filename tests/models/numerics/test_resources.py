"""One call limits every library, loaded or not; without one, variables of the environment keep their say."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from models.numerics import resources as module
from models.numerics.resources import Resources, resources, use_resources

LOADED_BEFORE = """
import numba, numpy, scipy.linalg, torch
from models.numerics.resources import use_resources
use_resources(1, 4)
"""
LOADED_AFTER = """
from models.numerics.resources import use_resources
use_resources(1, 4)
import numba, numpy, scipy.linalg, torch
"""
ONE_OF_MANY = """
from models.numerics import resources
resources.usable_cores = lambda: 64
resources.allowed_cores = lambda: 1
resources.use_resources()
import numba, numpy, scipy.linalg, torch
"""
REPORT = """
import implicit
from threadpoolctl import threadpool_info
@numba.njit(parallel=True)
def threads():
    return numba.get_num_threads()
print(threads(), torch.get_num_threads(),
      *{pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
"""


@pytest.fixture(autouse=True)
def _undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._InForce, "limits", None)


@pytest.mark.parametrize("program", [LOADED_BEFORE, LOADED_AFTER, ONE_OF_MANY])
def test_libraries_obey(program: str) -> None:
    plain = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    ran = subprocess.run(
        [sys.executable, "-c", program + REPORT], capture_output=True, text=True, check=False, env=plain
    )
    assert ran.stdout.split() == ["1", "1", "1"], ran.stderr


def test_variables_of_the_operator_win_over_the_control_group() -> None:
    program = ONE_OF_MANY.replace("lambda: 1", "lambda: 3") + REPORT
    operator = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, **operator},
    )  # fmt: skip
    assert ran.stdout.split() == ["1", "1", "1"], ran.stderr


def test_defaults_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "allowed_cores", lambda: 5)
    monkeypatch.setattr(module, "usable_cores", lambda: 5)
    monkeypatch.setattr(module, "allowed_memory", lambda: 12_000_000_000)
    assert resources() == use_resources() == Resources(5, 12_000)
    assert (resources().duckdb_mb, resources().model_mb) == (6000, 3000)
    monkeypatch.setattr(module, "allowed_memory", lambda: None)
    assert resources().memory_mb == 12_000, "what was in force when the work began"
    assert use_resources(memory_gb=1.5).memory_mb == 1500
    assert use_resources(memory_gb=8, fits=4).model_mb == 500
    assert use_resources().memory_mb == 8000
