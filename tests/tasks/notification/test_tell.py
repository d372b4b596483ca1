"""Nights tell how they end, each ending once, to a server that receives it; the address is recorded nowhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tasks.config.load import load_settings
from tasks.errors import NightError, TransientError
from tasks.ingestion.land import land
from tasks.monitoring.events import SilentWatcher
from tasks.notification.tell import Teller
from tasks.run import lifecycle
from tasks.run.context import Night
from tasks.run.lifecycle import record_interruption, run_night
from tasks.storage.health import last_good, read_health
from tasks.storage.home import Home, locked, open_home
from tasks.storage.run_records import Runs
from tests.tasks.inputs import RATINGS
from tests.tasks.notification.receivers import HttpReceiver, serving

DEAD = "json://me:hunter2@127.0.0.1:9"
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


def land_files(night: Night) -> None:
    night.run(land.call(night.home.input, night.settings.data, landed_at=night.record.started_at))
    ends_as("published")(night)


def out_of_reach(*_: object, **__: object) -> None:
    raise TransientError("The database is out of reach.")


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


def test_each_kill_of_a_run_is_told(home: Home, told: list[dict[str, str]]) -> None:
    settings, runs = load_settings(), Runs(home.runs)
    for attempt in (1, 2):
        killed = runs.begin("same", dataset="in", seed=1, live=None)
        assert killed.attempt == attempt
        for _ in range(2):
            Teller(home, settings).catch_up()
        assert len(told) == attempt
        assert read_health(home).bad == "killed"
    assert f"Run: {killed.run_id}, begun 2 times, of in in" in told[1]["message"]


@pytest.mark.parametrize("address", ["", DEAD])
def test_what_was_not_told_is_told_by_the_next_night(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("RECS_NOTIFY__URL", address)
        killed = Runs(home.runs).begin("other", dataset="in", seed=1, live=None)
        Teller(home, load_settings()).catch_up()
        found = read_health(home)
        assert (found.bad, found.told_at) == ("killed", None), "a fact, although nobody was told"
    run(home, ends_as("published"))
    assert titles(told) == ["failed", "good again"]
    assert str(killed.run_id) in told[0]["message"]
    assert ("Late: " in told[0]["message"]) == bool(address), "without an address, nothing waits"
    run(home, ends_as("published"))
    assert len(told) == 2
    assert read_health(home).untold == []


def test_a_failed_night_that_reached_nobody_is_told_late(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("RECS_NOTIFY__URL", DEAD)
        with pytest.raises(NightError, match="It broke"):
            run(home, fails)
    assert (told, len(read_health(home).untold)) == ([], 1)
    run(home, ends_as("check_failed", "Check rows failed."))
    assert titles(told) == ["failed", "held back by a check"]
    assert "\nLate: this is of " in told[0]["message"]


def metrics(home: Home) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families((home.path / "recs.prom").read_text(encoding="utf-8"))
    return {
        (one.name, *(value for key, value in one.labels.items() if key not in ("home", "dataset"))): one.value
        for family in families
        for one in family.samples
    }


def test_every_ending_writes_the_metrics_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overdue alert compares with the last good night, which one with nothing new is, too."""
    monkeypatch.setenv("RECS_MONITORING__METRICS_FILE", "recs.prom")

    def interrupt(night: Night) -> None:
        record_interruption(night)
        assert metrics(home)["recs_last_run_status", "interrupted"] == 1, "the process would end here"
        raise KeyboardInterrupt

    def expect(status: str, good: int) -> None:
        found = metrics(home)
        (home.path / "recs.prom").unlink()
        assert (found["recs_last_run_status", status], found["recs_last_night_good",]) == (1, good)

    run(home, land_files)
    last = metrics(home)["recs_last_good_timestamp_seconds",]
    expect("published", 1)
    for status in ("check_failed", "not_switched"):
        run(home, ends_as(status))
        expect(status, 0)
    with pytest.raises(NightError):
        run(home, fails)
    expect("failed", 0)
    with pytest.raises(KeyboardInterrupt):
        run(home, interrupt)
    assert metrics(home)["recs_last_good_timestamp_seconds",] == last
    expect("interrupted", 0)
    [*_, first] = Runs(home.runs).all()
    nothing = lifecycle.Outcome(first, "here", None, "Nothing is new.")
    with monkeypatch.context() as changed:
        changed.setattr(lifecycle, "_nothing_new", lambda *_: nothing)
        time.sleep(1.1)  # times are kept to the second
        run(home, fails, force=False)
    assert metrics(home)["recs_last_good_timestamp_seconds",] > last
    expect("interrupted", 1)
    Runs(home.runs).begin("other", dataset="in", seed=1, live=None)
    Teller(home, load_settings()).catch_up()
    expect("running", 0)
    monkeypatch.setattr(lifecycle, "plan_intake", out_of_reach)
    with pytest.raises(TransientError):
        run(home, fails)
    expect("running", 0)


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
