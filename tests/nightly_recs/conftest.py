"""A home after one small night, which the tests of this folder only read."""

import pytest

from tasks.datasets.synthetic.generate import generate_demo
from tasks.run.dag import nightly
from tasks.storage.home import Home, open_home
from tests.flows.conftest import RATERS, run_small_night


@pytest.fixture(scope="session")
def judged_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return the home."""
    folder = tmp_path_factory.mktemp("judged")
    generate_demo(folder / "tiny", users=RATERS, items=200, ratings=6000, tags=500, seed=7)
    home = open_home(str(folder / "tiny"), folder / "home")
    run_small_night(home, flow=nightly)
    return home
