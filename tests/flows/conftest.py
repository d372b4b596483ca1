"""One small data set and one Prefect server for all whole-night tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.nightly import run_flow
from tasks.configure import load_settings
from tasks.datasets.generate import generate_demo
from tasks.home import Home, open_home
from tasks.lifecycle import Outcome, run_night
from tasks.progress import Nobody

SETTINGS = (
    "recommend.n=20",
    "recommend.similar_n=5",
    "recommend.fallback_n=10",
    "judge.bootstrap_samples=200",
    "models.shelf=popularity,item_knn,als",
    "models.als.factors=8",
    "models.als.iterations=3",
    "blend.enabled=false",
)

RunNight = Callable[..., Outcome]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a few thousand ratings called `tiny`."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    generate_demo(folder, users=150, items=200, ratings=6000, tags=500, seed=3)
    return folder


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Prefect's own server, started once."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def home(tmp_path: Path, dataset: Path) -> Home:
    """A fresh home of the small data set."""
    return open_home(str(dataset), tmp_path / "home")


@pytest.fixture
def run(prefect_server: None) -> RunNight:
    """Run a whole night in this process: run(home, *settings, flow=..., as_of=..., force=...)."""

    def run_whole_night(home: Home, *overrides: str, flow=run_flow, **options) -> Outcome:
        settings = load_settings(None, (*SETTINGS, *overrides))
        return run_night(home, settings, flow, Nobody(), **options)

    return run_whole_night
