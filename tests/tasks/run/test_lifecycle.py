"""The lifecycle of a night, with a plain function instead of the stages."""

import errno
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from tasks.artifacts import Intake
from tasks.config.load import load_settings
from tasks.errors import NightError, UsageError
from tasks.ingestion.land import land
from tasks.monitoring.events import SilentWatcher
from tasks.publication.targets.schema import IdTypes
from tasks.run import lifecycle
from tasks.run.context import Night
from tasks.run.lifecycle import Outcome, run_night
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tests.tasks.inputs import RATINGS


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Home:
    """Return a fresh home of a data set with one rating."""
    (folder / "ratings.csv").write_text(f"{RATINGS}1,2,4,1600000000\n")
    return open_home(str(folder), tmp_path / "home")


def land_files(night: Night) -> Intake:
    return night.run(land.call(night.home.input, night.settings.data, landed_at=night.record.started_at))


def run_flow(home: Home, flow: Callable[[Night], object]) -> Outcome:
    return run_night(home, load_settings(), flow, SilentWatcher())  # type: ignore[arg-type]


def fail_with(error: BaseException) -> Callable[[Night], None]:
    """Return a flow whose cleaning raises an error."""

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
def test_a_full_disk_fails_the_night_but_keeps_landed_files(home: Home, error: Exception) -> None:
    with pytest.raises(NightError, match=r"^The disk is full\.$") as caught:
        run_flow(home, fail_with(error))
    assert "Free some space" in caught.value.hint
    [failed] = Runs(home.runs).all()
    assert (failed.status, failed.reason) == ("failed", "stage clean: The disk is full.")
    assert "Free some space" in failed.summary.advice
    landed = []
    run_flow(home, lambda night: landed.append(land_files(night)))
    assert [file.path for file in landed[0].files] == ["ratings.csv"]


def test_a_night_does_not_begin_on_a_full_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(NightError, match="The disk is full: 3 MB are left"):
        run_flow(home, land_files)
    assert Runs(home.runs).all() == []


@pytest.mark.parametrize(
    "overrides", [("models.shelf=popularity,mf",), ("models.shelf=popularity", "recommend.similar_model=mf")]
)
def test_a_model_for_a_missing_device_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    settings = load_settings(None, (*overrides, "models.mf.device=cuda"))
    with pytest.raises(UsageError, match="The model mf cannot be trained on this machine: device is 'cuda'"):
        run_night(home, settings, land_files, SilentWatcher())
    assert not Runs(home.runs).all()


def test_a_night_error_is_raised_without_a_cause(home: Home) -> None:
    with pytest.raises(NightError) as caught:
        run_flow(home, fail_with(NightError("It broke.")))
    assert caught.value.__cause__ is None
    assert Runs(home.runs).all()[0].reason == "stage clean: It broke."


def test_other_errors_are_raised_with_their_class(home: Home) -> None:
    with pytest.raises(NightError, match=r"^ZeroDivisionError: oh$") as caught:
        run_flow(home, fail_with(ZeroDivisionError("oh")))
    assert "--debug" in caught.value.hint


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interruption_is_recorded_and_raised_again(home: Home, interruption: BaseException) -> None:
    with pytest.raises(type(interruption)):
        run_flow(home, fail_with(interruption))
    [run] = Runs(home.runs).all()
    assert (run.status, run.reason) == (
        "interrupted",
        "It was interrupted. The same command continues where it stopped.",
    )


def test_a_night_interrupted_after_the_switch_is_published(home: Home) -> None:
    def flow(night: Night) -> None:
        night.record.switched = True
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_flow(home, flow)
    [run] = Runs(home.runs).all()
    assert (run.status, run.reason) == (
        "published",
        f"Run {run.run_id} is live. Afterwards, it was interrupted.",
    )


def test_other_library_versions_are_something_new(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run_flow(home, land_files)
    monkeypatch.setattr("tasks.run.lifecycle.library_versions", lambda: {"numpy": "another"})
    run_flow(home, land_files)
    newer, older = Runs(home.runs).all()
    assert newer.fingerprint != older.fingerprint


def publish_nothing(night: Night) -> None:
    land_files(night)
    night.target.ensure_schema(IdTypes("BIGINT", "BIGINT"))
    night.verdict = "published"


def test_forgotten_variable_stops_the_night_before_any_work(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cron starts without the variables of a shell: the lists must not go into the home's own file."""
    address = f"sqlite:///{tmp_path}/app.db"
    monkeypatch.setenv("RECS_PUBLISH__URL", address)
    run_flow(home, publish_nothing)
    assert home.target == address
    monkeypatch.delenv("RECS_PUBLISH__URL")
    with pytest.raises(UsageError, match=r"RECS_PUBLISH__URL is not set.*app\.db"):
        run_flow(home, publish_nothing)
    assert not (home.path / "recommendations.db").exists()
    assert len(Runs(home.runs).all()) == 1


def test_a_tracker_that_cannot_be_reached_changes_no_ending(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A published night and a failed one; with another tracker nothing is new."""
    monkeypatch.setenv("RECS_TRACKING__URI", "gone://me:hunter2@host")
    assert run_flow(home, publish_nothing).exit_code == 0
    with pytest.raises(NightError, match=r"^broken$"):
        run_flow(home, fail_with(NightError("broken")))
    warnings = [record.getMessage() for record in caplog.records if "tracked" in record.getMessage()]
    assert len(warnings) == 2
    assert all("tracking.uri begins with 'gone:'" in warning for warning in warnings)
    published = Runs(home.runs).all()[1]
    assert (published.status, "tracking" in published.settings) == ("published", False)
    assert "hunter2" not in caplog.text
    assert "hunter2" not in "".join(path.read_text() for path in home.runs.rglob("run.json"))


def test_the_tracker_is_no_part_of_the_fingerprint(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = [run_flow(home, publish_nothing).run.fingerprint]
    monkeypatch.setenv("RECS_TRACKING__URI", "gone:")
    prints.append(run_flow(home, publish_nothing).run.fingerprint)
    assert prints[0] == prints[1]


@pytest.mark.parametrize(
    "setting",
    [
        "run.parallel_fits=2", "data.settle_seconds=5", "data.max_set_aside_share=0.5", "publish.keep_runs=3",
        "tracking.max_seconds=5", "monitoring.metrics_file=a.prom", "notify.max_seconds=3",
    ],
)  # fmt: skip
def test_settings_without_effect_leave_the_fingerprint(setting: str) -> None:
    plain, changed = (
        lifecycle._fingerprint("data", load_settings(None, each), None) for each in ((), (setting,))
    )
    assert plain == changed


@pytest.mark.parametrize(
    "setting",
    ["run.seed=1", "data.max_reject_share=0.1", 'publish.trial={model="als"}', "warm_start.cold_every=3"],
)
def test_other_settings_change_the_fingerprint(setting: str) -> None:
    plain, changed = (
        lifecycle._fingerprint("data", load_settings(None, each), None) for each in ((), (setting,))
    )
    assert plain != changed


def test_the_code_of_an_ensemble_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night after a change of `two_stage.py` finds something new, if the shelf has what it reranks."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(lifecycle.SOURCE, "hash", lambda *modules: asked.append(modules) or "h")
    for shelf in ("popularity,two_tower", "popularity"):
        lifecycle._fingerprint("data", load_settings(None, [f"models.shelf={shelf}"]), None)
    assert ["models.ensemble.two_stage" in modules for modules in asked] == [True, False]


def test_home_is_free_to_move_until_it_has_published(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NightError):
        run_flow(home, fail_with(NightError("broken")))
    assert home.target is None
    monkeypatch.setenv("RECS_PUBLISH__URL", f"sqlite:///{tmp_path}/app.db")
    run_flow(home, publish_nothing)
    assert home.target == f"sqlite:///{tmp_path}/app.db"


def test_lost_home_is_told_how_to_adopt_its_database(home: Home, tmp_path: Path, folder: Path) -> None:
    run_flow(home, publish_nothing)
    shutil.copyfile(home.path / "recommendations.db", tmp_path / "kept.db")
    shutil.rmtree(home.path)
    new = open_home(str(folder), tmp_path / "home")
    shutil.move(tmp_path / "kept.db", new.path / "recommendations.db")
    with pytest.raises(UsageError, match="belongs to another home") as refused:
        run_flow(new, publish_nothing)
    assert refused.value.hint.endswith(f"recs adopt --home {new.path}")


def test_pages_of_old_nights_are_removed(home: Home) -> None:
    """Nights whose artifacts are kept keep their page, too. How long pages stay makes nothing new."""
    slice_ = {"model": "als", "half": "report", "segment": "heavy", "metric": "ndcg", "k": 10, "value": 0.2}

    def flow(night: Night) -> None:
        publish_nothing(night)
        night.target.record_metrics(night.record.run_id, [slice_])
        (night.runs.folder(night.record.run_id) / "report.html").write_text("page")

    def run(keep_runs: int) -> tuple[list[int], list[int]]:
        """Run a night; return the runs with a page, and those with metrics of slices."""
        settings = load_settings(None, [f"publish.keep_runs={keep_runs}", "retention.nights=2"])
        run_night(home, settings, flow, SilentWatcher())  # type: ignore[arg-type]
        with closing(sqlite3.connect(home.path / "recommendations.db")) as con:
            rows = con.execute("select run_id from model_metrics order by run_id").fetchall()
        return sorted(int(path.parent.name) for path in home.runs.glob("*/report.html")), [
            row[0] for row in rows
        ]

    kept = [run(keep_runs) for keep_runs in (3, 3, 3, 1)]
    ids = sorted(each.run_id for each in Runs(home.runs).all())
    assert kept[2] == (ids[:3], ids[:3])
    assert kept[3] == (ids[2:], ids[2:])
    longer = load_settings(None, ["retention.nights=9"])
    assert lifecycle._fingerprint("", longer, None) == lifecycle._fingerprint("", load_settings(), None)
