"""The numerical tests pass with the kernels of other processors, which round differently and fail differently."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("numerics", "linear", "graph", "evaluation", "ranking", "factors")
NEEDED = {"SkylakeX": "X86_V4", "Haswell": "X86_V3", "Sandybridge": "X86_V3"}
"""OpenBLAS's kernels, each with the level of x86-64 that the processor needs lest they end it (V4 is AVX-512)."""
_MINUTES = 30
_KERNELS = """
import json, numpy, scipy.linalg, threadpoolctl
print(json.dumps([pool["architecture"] for pool in threadpoolctl.threadpool_info() if "architecture" in pool]))
"""


def levels() -> list[str]:
    """Return the levels of x86-64 that this processor has; none on another one."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return [*extensions["baseline"], *extensions["found"]]


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a process that is no part of this run of pytest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


def kernels(**variables: str) -> set[str]:
    """Return the names of the kernels that numpy and scipy compute with under these variables."""
    command = [sys.executable, "-c", _KERNELS]
    done = subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout))


def run_numerical_tests(**variables: str) -> None:
    folders = [str(ROOT / "tests" / "models" / room) for room in ROOMS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *folders],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * _MINUTES,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", NEEDED)
def test_numerical_tests_pass_with_other_blas_kernels(kernel: str) -> None:
    if NEEDED[kernel] not in levels():
        pytest.skip(
            f"{kernel} needs {NEEDED[kernel]}, and this processor has {', '.join(levels()) or 'no x86-64'}"
        )
    if kernels() == {kernel}:
        pytest.skip(f"{kernel} is this processor's own kernel: all other tests ran with it")
    if (used := kernels(OPENBLAS_CORETYPE=kernel)) != {kernel}:
        pytest.skip(
            f"this build of BLAS has no {kernel} kernel: it used {', '.join(sorted(used)) or 'its own'}"
        )
    run_numerical_tests(OPENBLAS_CORETYPE=kernel)


@pytest.mark.slow
def test_numerical_tests_pass_without_cpu_features() -> None:
    """Numba and torch then use what every processor of the architecture has: other vectors, no fused multiply-add."""
    run_numerical_tests(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", ATEN_CPU_CAPABILITY="default")
