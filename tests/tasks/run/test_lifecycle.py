"""How a night begins and ends, with a plain function in the place of the stages."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from tasks.artifacts import Intake
from tasks.config.load import load_settings
from tasks.errors import NightError, UsageError
from tasks.ingestion.land import land
from tasks.monitoring.events import Nobody
from tasks.run.context import Night
from tasks.run.lifecycle import Outcome, run_night
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tests.tasks.inputs import RATINGS


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Home:
    """A fresh home of a data set of one rating."""
    (folder / "ratings.csv").write_text(f"{RATINGS}1,2,4,1600000000\n")
    return open_home(str(folder), tmp_path / "home")


def land_files(night: Night) -> Intake:
    return night.run(land.call(night.home.input, night.settings.data, landed_at=night.record.started_at))


def live_through(home: Home, flow: Callable[[Night], object]) -> Outcome:
    return run_night(home, load_settings(), flow, Nobody())  # type: ignore[arg-type]


def fail_with(error: BaseException) -> Callable[[Night], None]:
    """A night whose cleaning fails."""

    def flow(night: Night) -> None:
        land_files(night)
        with night.stage("clean"):
            raise error

    return flow


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        duckdb.IOException('IO Error: Could not write to file "x": No space left on device'),
    ],
)
def test_a_full_disk_is_said_in_one_sentence_and_the_next_night_begins_with_what_is_landed(
    home: Home, error: Exception
) -> None:
    with pytest.raises(NightError, match=r"^The disk is full\.$") as caught:
        live_through(home, fail_with(error))
    assert "Free some space" in caught.value.hint
    [failed] = Runs(home.runs).all()
    assert (failed.status, failed.reason) == ("failed", "stage clean: The disk is full.")
    landed = []
    live_through(home, lambda night: landed.append(land_files(night)))
    assert [file.path for file in landed[0].files] == ["ratings.csv"]


def test_a_night_without_room_does_not_begin(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(NightError, match="The disk is full: 3 MB are left"):
        live_through(home, land_files)
    assert Runs(home.runs).all() == []


@pytest.mark.parametrize(
    "use", [("models.shelf=popularity,mf",), ("models.shelf=popularity", "recommend.similar_model=mf")]
)
def test_a_model_that_the_machine_cannot_train_is_refused_before_anything_starts(
    home: Home, monkeypatch: pytest.MonkeyPatch, use: tuple[str, ...]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    settings = load_settings(None, (*use, "models.mf.device=cuda"))
    with pytest.raises(UsageError, match="The model mf cannot be trained on this machine: device is 'cuda'"):
        run_night(home, settings, land_files, Nobody())
    assert not Runs(home.runs).all()


def test_an_error_of_ours_is_not_its_own_cause(home: Home) -> None:
    with pytest.raises(NightError) as caught:
        live_through(home, fail_with(NightError("It broke.")))
    assert caught.value.__cause__ is None
    assert Runs(home.runs).all()[0].reason == "stage clean: It broke."


def test_an_error_that_nobody_foresaw_is_named(home: Home) -> None:
    with pytest.raises(NightError, match=r"^ZeroDivisionError: oh$") as caught:
        live_through(home, fail_with(ZeroDivisionError("oh")))
    assert "--debug" in caught.value.hint


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interruption_is_no_failure(home: Home, interruption: BaseException) -> None:
    with pytest.raises(type(interruption)):
        live_through(home, fail_with(interruption))
    [run] = Runs(home.runs).all()
    assert (run.status, run.reason) == (
        "interrupted",
        "Somebody stopped it. The same command goes on where it stopped.",
    )


def test_a_night_interrupted_after_the_switch_was_published(home: Home) -> None:
    def flow(night: Night) -> None:
        night.record.switched = True
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live_through(home, flow)
    [run] = Runs(home.runs).all()
    assert (run.status, run.reason) == (
        "published",
        f"Run {run.run_id} is live. Afterwards, it was interrupted.",
    )
