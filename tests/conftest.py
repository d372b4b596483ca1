"""Fixtures for all tests; OpenMP is configured here, before any library is imported."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

# Workers of pytest-xdist share the cores, on which idle OpenMP threads would otherwise spin
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest

from tests.examples import load_profile
from tests.tasks.postgres_server import new_schema, running_server
from tests.tasks.serving import Serving


def pytest_configure(config: pytest.Config) -> None:
    """Draw fewer examples where the slow tests are left out."""
    load_profile(slow_too="not slow" not in config.option.markexpr)


_ORDER = ("models", "tasks", "benchmarks", "flows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of models first: each compiles the kernels of one file, and whole nights find all compiled.

    In the alphabetical order, both workers would begin with whole nights and compile everything twice.
    """
    here = Path(__file__).parent
    folders = {item.path: item.path.relative_to(here).parts[0] for item in items}
    items.sort(key=lambda item: _ORDER.index(folders[item.path]) if folders[item.path] in _ORDER else -1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are imported, which makes a million objects, nor among these afterwards."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that only this process uses."""
    with running_server() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def serving(request: pytest.FixtureRequest, tmp_path: Path) -> Serving:
    """An empty serving database, of each kind in turn."""
    if request.param == "sqlite":
        return Serving(f"sqlite:///{tmp_path}/recommendations.db", tmp_path)
    return Serving(new_schema(request.getfixturevalue("postgres")), tmp_path)


def pytest_unconfigure() -> None:
    """Let what was frozen be freed, so that libraries do not complain of leaks when the process ends."""
    gc.unfreeze()
