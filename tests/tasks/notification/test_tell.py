"""Nights tell how they end, each ending once, to a server that receives it; the address is recorded nowhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.errors import NightError, TransientError
from tasks.ingestion.land import land
from tasks.monitoring.events import SilentWatcher
from tasks.run import lifecycle
from tasks.run.context import Night
from tasks.run.lifecycle import record_interruption, run_night
from tasks.storage.health import last_good, read_health
from tasks.storage.home import Home, locked, open_home
from tasks.storage.run_records import Runs
from tests.tasks.inputs import RATINGS
from tests.tasks.notification.receivers import HttpReceiver, serving

Flow = Callable[[Night], None]


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Home:
    (folder / "ratings.csv").write_text(f"{RATINGS}1,2,4,1600000000\n")
    return open_home(str(folder), tmp_path / "home")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """The messages that have arrived."""
    with serving(HttpReceiver()) as server:
        monkeypatch.setenv("RECS_NOTIFY__URL", server.address)
        yield server.bodies


def run(home: Home, flow: Flow, *, force: bool = True) -> None:
    run_night(home, load_settings(), flow, SilentWatcher(), force=force)


def ends_as(status: str, reason: str = "So it is.") -> Flow:
    def flow(night: Night) -> None:
        night.verdict, night.reason = status, reason  # type: ignore[assignment]

    return flow


def fails(night: Night) -> None:
    with night.stage("fit", "als"):
        raise NightError("It broke.", "Mend it.")


def titles(told: list[dict[str, str]]) -> list[str]:
    return [body["title"].removeprefix("nightly-recs in: ") for body in told]


def test_bad_nights_and_the_first_good_one_are_told(home: Home, told: list[dict[str, str]]) -> None:
    run(home, ends_as("published"))
    assert told == [], "a good night after a good one is no news"
    with pytest.raises(NightError, match="It broke"):
        run(home, fails)
    run(home, ends_as("check_failed", "Check rows failed."))
    run(home, ends_as("not_switched"))
    run(home, ends_as("published"))
    run(home, ends_as("published"))
    assert titles(told) == ["failed", "held back by a check", "good again"]
    assert "Cause: stage fit als: It broke.\n" in told[0]["message"]
    assert "What to do: Mend it.\n" in told[0]["message"]
    assert "Before: held back\n" in told[2]["message"]


def test_a_night_that_cannot_begin_is_told(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach(*_: object, **__: object) -> None:
        raise TransientError("The database is out of reach.")

    monkeypatch.setattr(lifecycle, "plan_intake", out_of_reach)
    with pytest.raises(TransientError):
        run(home, ends_as("published"))
    assert (titles(told), "out of reach" in told[0]["message"]) == (["failed"], True)


def test_a_second_night_beside_one_that_runs_tells_nothing(home: Home, told: list[dict[str, str]]) -> None:
    with locked(home), pytest.raises(NightError, match="Another night is running"):
        run(home, ends_as("published"))
    assert (told, read_health(home).bad) == ([], "")


@pytest.mark.parametrize("force", [True, False])
def test_a_killed_night_is_told_once_by_the_next(home: Home, told: list[dict[str, str]], force: bool) -> None:
    run(home, ends_as("published"))
    runs = Runs(home.runs)
    killed = runs.begin("other", dataset="in", seed=1, live=None)
    run(home, ends_as("published"), force=force)
    assert titles(told) == ["failed", "good again"]
    assert str(killed.run_id) in told[0]["message"]
    run(home, ends_as("published"))
    assert len(told) == 2


def test_an_interrupted_night_is_told(home: Home, told: list[dict[str, str]]) -> None:
    def interrupt(night: Night) -> None:
        record_interruption(night)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(home, interrupt)
    last = time.monotonic() + 20
    while not told and time.monotonic() < last:
        time.sleep(0.05)  # the message leaves in a process of its own
    assert titles(told)[0] == "interrupted"


def test_nothing_new_counts_as_a_good_night(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def land_files(night: Night) -> None:
        night.run(land.call(night.home.input, night.settings.data, landed_at=night.record.started_at))
        ends_as("published")(night)

    run(home, land_files)
    [before] = Runs(home.runs).all()
    (home.path / "health.json").unlink()
    assert last_good(home) == before.finished_at, "homes of earlier versions have records only"
    nothing = lifecycle.Outcome(before, "here", None, "Nothing is new.")
    monkeypatch.setattr(lifecycle, "_nothing_new", lambda *_: nothing)
    time.sleep(1.1)  # times are kept to the second
    run(home, fails, force=False)
    assert last_good(home) > before.finished_at


def test_the_address_is_recorded_nowhere(home: Home, told: list[dict[str, str]]) -> None:
    with pytest.raises(NightError):
        run(home, fails)
    assert len(told) == 1
    for path in home.path.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
    [record] = Runs(home.runs).all()
    assert "notify" not in record.settings


def test_who_is_told_does_not_make_a_night_new(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lifecycle._fingerprint("data", load_settings(), None)
    monkeypatch.setenv("RECS_NOTIFY__URL", "json://elsewhere")
    assert lifecycle._fingerprint("data", load_settings(), None) == plain
