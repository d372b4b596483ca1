"""Before any library is imported: threads that wait let the others work."""

import os
from collections.abc import Iterator
from pathlib import Path

# Several workers share the cores (pytest-xdist), and OpenMP's threads would spin for work in small matrices.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
from hypothesis import settings

from tests.tasks.postgres_server import new_schema, running_server
from tests.tasks.serving import Serving

settings.register_profile("untimed", deadline=None)  # no test depends on how busy its machine is
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that is this process's own."""
    with running_server() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def serving(request: pytest.FixtureRequest, tmp_path: Path) -> Serving:
    """An empty serving database, of either kind in turn."""
    if request.param == "sqlite":
        return Serving(f"sqlite:///{tmp_path}/recommendations.db", tmp_path)
    return Serving(new_schema(request.getfixturevalue("postgres")), tmp_path)
