"""A serving database of either kind that the tests of a module share."""

from __future__ import annotations

import pytest

from tests.tasks.postgres_server import new_schema
from tests.tasks.serving import Serving


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """A serving database of either kind in turn, empty for the module's first test."""
    folder = tmp_path_factory.mktemp("serving")
    if request.param == "sqlite":
        return Serving(f"sqlite:///{folder}/recommendations.db", folder)
    return Serving(new_schema(request.getfixturevalue("postgres")), folder)
