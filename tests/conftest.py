"""Which tests stay together when `make test` runs them in several processes."""

import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of one file, which share what it sets up; and all that need Prefect's server, which starts once."""
    for item in items:
        needs_server = "prefect_server" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("prefect" if needs_server else item.nodeid.split("::")[0]))
