"""Every examination of the software can be OK, and bad or worth a look when a fault is planted."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from tasks.diagnosis import software
from tasks.diagnosis.finding import Finding, examine_all, size
from tasks.diagnosis.software import (
    _pins,
    _version,
    examine_packages,
    examine_python,
    examine_threads,
)
from tasks.errors import NightError


@pytest.mark.parametrize(("running", "verdict"), [((3, 10), "bad"), ((3, 12), "OK"), ((3, 14), "bad")])
def test_python_must_be_one_that_we_run_on(running: tuple[int, int], verdict: str) -> None:
    assert examine_python(running).verdict == verdict


def everything() -> dict[str, str]:
    """Return the packages that are installed here, as far as constraints.txt names them."""
    return {name: found for name in _pins(software.CONSTRAINTS) if (found := _version(name)) is not None}


def test_packages_installed_here_are_right() -> None:
    found = examine_packages()
    assert (found.verdict, found.advice) == ("OK", "")
    assert found == examine_packages(installed=everything())


@pytest.mark.parametrize(
    ("change", "verdict", "seen"),
    [
        ({"duckdb": None}, "bad", "missing: duckdb"),
        ({"fastapi": "0.165.0"}, "bad", "fastapi 0.165.0 (needs <0.151,>=0.139)"),
        ({"rich": "99.0"}, "look", f"rich 99.0 (tested with {version('rich')})"),
    ],
)
def test_missing_refused_and_other_packages_are_named(
    change: dict[str, str | None], verdict: str, seen: str
) -> None:
    installed = {name: found for name, found in (everything() | change).items() if found is not None}
    found = examine_packages(installed=installed)
    assert (found.verdict, found.seen) == (verdict, seen)
    assert found.advice


def test_versions_are_not_compared_without_constraints(tmp_path: Path) -> None:
    assert "not compared" in examine_packages(tmp_path / "constraints.txt").seen


def test_more_threads_than_cores_are_worth_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine_threads(allowed=1000).verdict == "OK"
    monkeypatch.setattr("numba.get_num_threads", lambda: 64)
    found = examine_threads(allowed=32)
    assert found.verdict == "look"
    assert "resources.threads = 32" in found.advice


def test_broken_threading_layer_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ValueError("No threading layer could be loaded.")

    monkeypatch.setattr("numba.get_num_threads", broken)
    (found,) = examine_all([("Threads", examine_threads)])
    assert (found.name, found.verdict) == ("Threads", "bad")
    assert "No threading layer" in found.seen


def test_other_examinations_go_on_after_one_that_fails() -> None:
    def fails() -> Finding:
        raise NightError("It is gone.", "Look for it.")

    found = examine_all([("A", fails), ("B", lambda: Finding("B", "OK", "fine"))])
    assert found == [Finding("A", "bad", "It is gone.", "Look for it."), Finding("B", "OK", "fine")]
    assert (size(3 * 2**20), size(1.5 * 2**30)) == ("3 MB", "1.5 GB")
