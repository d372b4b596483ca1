"""Examines Python, the installed packages, and the threads that numerical libraries use."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from models.numerics.machine import allowed_cores
from tasks.diagnosis.finding import Finding

PROJECT = "nightly-recs"
CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
_OLDEST, _TOO_NEW = (3, 11), (3, 14)


def examine_python(running: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Return whether this version of Python is one that nightly-recs runs on."""
    seen = f"Python {running[0]}.{running[1]} in {sys.prefix}"
    if _OLDEST <= running < _TOO_NEW:
        return Finding("Python", "OK", seen)
    return Finding("Python", "bad", seen, "Python 3.11 to 3.13 is needed: make setup PYTHON=python3.12")


def examine_packages(constraints: Path = CONSTRAINTS, installed: Mapping[str, str] | None = None) -> Finding:
    """Return whether the packages that nightly-recs names are installed, in versions that it takes and was tested with.

    Args:
        constraints: the file of the versions that it was tested with.
        installed: name → version; None for what is installed here.
    """
    try:
        wanted = [Requirement(text) for text in requires(PROJECT) or ()]
    except PackageNotFoundError:
        return Finding(
            "Packages", "look", f"{PROJECT} is not installed, so its needs are not known.", "make setup"
        )
    wanted = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    pins = _pins(constraints)
    missing, refused, other = [], [], []
    for each in wanted:
        found = _version(each.name) if installed is None else installed.get(each.name)
        pin = pins.get(canonicalize_name(each.name))
        if found is None:
            missing.append(each.name)
        elif not each.specifier.contains(found, prereleases=True):
            refused.append(f"{each.name} {found} (needs {each.specifier})")
        elif pin is not None and Version(found).public != pin:
            other.append(f"{each.name} {found} (tested with {pin})")
    advice = f"pip install -c {constraints} {PROJECT} in the environment of this command, or make setup."
    if missing or refused:
        faults = [f"missing: {', '.join(missing)}"] * bool(missing) + [", ".join(refused)] * bool(refused)
        return Finding("Packages", "bad", "; ".join(faults), advice)
    if other:
        return Finding("Packages", "look", ", ".join(other), advice)
    tested = "as in constraints.txt" if pins else "not compared: there is no constraints.txt beside the code"
    return Finding("Packages", "OK", f"{len(wanted)} packages, {tested}")


def _pins(constraints: Path) -> dict[str, str]:
    """Return name → version of the lines of a constraints file; none if it is absent."""
    if not constraints.is_file():
        return {}
    lines = [line.strip() for line in constraints.read_text(encoding="utf-8").splitlines()]
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(name): pin for name, _, pin in pairs}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def examine_threads(allowed: int | None = None) -> Finding:
    """Return which thread pools BLAS, OpenMP and numba would use; more threads than cores slow each other down.

    Args:
        allowed: the number of cores; None for those that the machine or its control group allows.
    """
    import implicit  # noqa: F401, PLC0415  (loads its OpenMP; slow to import, as is numba)
    import numba  # noqa: PLC0415
    from numba.np.ufunc.parallel import threading_layer  # noqa: PLC0415
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    allowed = allowed or allowed_cores()
    n_numba = numba.get_num_threads()  # starts numba's threads, so that the layer is known
    pools = {
        f"{pool['user_api']} ({pool['internal_api']})": pool["num_threads"] for pool in threadpool_info()
    }
    layer = threading_layer()  # type: ignore[no-untyped-call]
    pools[f"numba ({layer})"] = n_numba
    seen = f"{', '.join(f'{name} {n}' for name, n in pools.items())}; {allowed} cores"
    if all(n <= allowed for n in pools.values()):
        return Finding("Threads", "OK", seen)
    return Finding(
        "Threads", "look", seen, f"Set resources.threads = {allowed} in pipeline.toml, or 0 for all cores."
    )
