"""The small data set and the Prefect server that all tests of whole nights share."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from flows.nightly import run_flow
from flows.prefect_runtime.empty_database import write_empty_database
from tasks.config.load import load_settings
from tasks.datasets.synthetic.generate import generate_demo
from tasks.monitoring.events import SilentWatcher
from tasks.run.context import Night
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome, run_night
from tasks.storage.home import Home, open_home

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

_IDLE_SERVICES = (
    "CANCELLATION_CLEANUP", "CLEANUP_RECONCILER", "DB_VACUUM", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS",
    "REPOSSESSOR", "SCHEDULER", "TRIGGERS",
)  # fmt: skip

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    **{f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in _IDLE_SERVICES},
}

RunNight = Callable[..., Outcome]

RATERS = 150
USERS = 153  # with those who are known by their friends only


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder called `tiny` with a few thousand ratings."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    generate_demo(folder, users=RATERS, items=200, ratings=6000, tags=500, seed=7)
    return folder


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start Prefect's server for one module: even idle, it takes a fifth of a core."""
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415  (imports the whole server)

    folder = tmp_path_factory.mktemp("prefect")
    write_empty_database(folder / "prefect-test.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect.testing.utilities.mkdtemp", lambda: str(folder))
        for name, value in QUIET.items():
            patch.setenv(name, value)
        with prefect_test_harness(server_startup_timeout=120):
            yield


@pytest.fixture
def home(tmp_path: Path, dataset: Path) -> Home:
    """Return a fresh home of the small data set."""
    return open_home(str(dataset), tmp_path / "home")


@pytest.fixture
def run(prefect_server: None) -> RunNight:
    """Return a function that runs a night through Prefect, in this process: run(home, *settings, as_of=, force=)."""
    return partial(run_small_night, flow=run_flow)


@pytest.fixture
def run_plain() -> RunNight:
    """Return a function that runs the same night without Prefect, in half the time."""
    return partial(run_small_night, flow=nightly)


def run_small_night(home: Home, *overrides: str, flow: Callable[[Night], None], **options) -> Outcome:
    """Run a night with the settings of these tests and `overrides`."""
    return run_night(home, load_settings(None, (*SETTINGS, *overrides)), flow, SilentWatcher(), **options)
