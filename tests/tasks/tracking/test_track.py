"""Whatever becomes of its tracker, a night goes on: one warning in a sentence, no secret, no process left."""

import logging
import os
import subprocess
import sys
import time

import pytest

from tasks.config.load import load_settings
from tasks.errors import NightError
from tasks.monitoring.events import SilentWatcher
from tasks.storage.home import Home, make_home
from tasks.tracking import track as module
from tasks.tracking.program import Request, reason, try_to_send
from tasks.tracking.track import PROGRAM, track
from tasks.tracking.tracker import Tracker
from tasks.tracking.trackers.mlflow import MLflow
from tests.tasks.reporting.nights import night
from tests.tasks.tracking.recorded import Recorder, Refuser, fit_of, night_of

URI = "http://me:hunter2@host:5000"


class Events(SilentWatcher):
    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def started(self, stage, model):
        self.seen.append(("started", stage))

    def finished(self, stage, model, seconds, note):
        self.seen.append(("finished", stage, note))

    def failed(self, stage, model, error):
        assert isinstance(error, NightError)
        self.seen.append(("failed", stage))


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path / "home", "demo")


@pytest.fixture
def warned(home, monkeypatch, caplog):
    """Track a night by a program of Python text; return its events and warnings."""

    def run(text: str | None, uri: str = URI, *, installed: bool = True, seconds: int = 2, **fields):
        if installed:
            monkeypatch.setattr(MLflow, "package", "json")
        monkeypatch.setenv("RECS_TRACKING__URI", uri)
        settings = load_settings(None, (f"tracking.max_seconds={seconds}",))
        watcher = Events()
        caplog.clear()
        program = PROGRAM if text is None else (sys.executable, "-c", text)
        with caplog.at_level(logging.DEBUG):
            track(home, settings, night(**fields), watcher, program=program)
        assert "hunter2" not in caplog.text
        return watcher.seen, [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]

    return run


def test_a_night_that_was_sent_is_told_as_a_stage(warned):
    events, warnings = warned('import sys; sys.stdin.read(); print(\'{"error": ""}\')')
    assert events == [("started", "track"), ("finished", "track", "1 models in MLflow, http://host:5000")]
    assert warnings == []


def test_the_program_is_given_the_night_but_no_argument(warned, tmp_path):
    text = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(sys.stdin.read()); print('{{\"error\": \"\"}}')"
    warned(text)
    got = (tmp_path / "got").read_text()
    assert '"uri":"http://me:hunter2@host:5000"' in got
    assert '"model":"als"' in got
    assert not any("hunter2" in word for word in PROGRAM)


@pytest.mark.parametrize(
    ("program", "warning"),
    [
        (
            'import sys; sys.stdin.read(); print(\'{"error": "OSError: no http://me:hunter2@host:5000/x\\\\nmore"}\')',
            "The night is not tracked: MLflow at http://host:5000 failed: OSError: no http://host:5000/x.",
        ),
        (
            "import sys, os; print('hunter2', file=sys.stderr); os._exit(7)",
            "The night is not tracked: MLflow at http://host:5000 failed: its process ended with code 7.",
        ),
        ("print('no JSON')", "MLflow at http://host:5000 failed: its process ended with code 0."),
        ("print('[]')", "The night is not tracked: "),
    ],
)
def test_a_tracker_that_fails_is_one_warning(warned, program, warning):
    events, (sentence,) = warned(program)
    assert warning in sentence
    assert events == [("started", "track"), ("failed", "track")]


def test_a_tracker_that_hangs_is_ended_with_its_children(warned, tmp_path):
    text = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    begun = time.monotonic()
    _, warnings = warned(text)
    assert time.monotonic() - begun < 20
    assert warnings == [
        "The night is not tracked: MLflow at http://host:5000 took longer than tracking.max_seconds = 2."
    ]
    child = int((tmp_path / "pid").read_text())
    for _ in range(50):
        if not _runs(child):
            break
        time.sleep(0.1)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip() not in ("", "Z")


def test_a_tracker_that_is_not_installed_is_named(warned, monkeypatch):
    monkeypatch.setattr(MLflow, "package", "no_such_package")
    assert warned(None, installed=False)[1] == [
        "The night is not tracked: tracking.uri names MLflow, which is not installed: "
        "pip install 'nightly-recs[mlflow]'."
    ]


def test_a_folder_of_the_name_is_no_installed_package(warned, monkeypatch, tmp_path):
    (tmp_path / "no_such_package").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(MLflow, "package", "no_such_package")
    assert "not installed" in warned(None, installed=False)[1][0]


def test_an_unknown_address_is_a_warning(warned):
    (sentence,) = warned(None, uri="hunter2@host")[1]
    assert sentence.startswith("The night is not tracked: tracking.uri has no scheme")


def test_an_error_of_our_own_is_a_warning(warned, monkeypatch):
    def broken(*_):
        raise KeyError("ndcg")

    monkeypatch.setattr(module, "summarise", broken)
    assert warned(None)[1] == ["The night is not tracked: KeyError: 'ndcg'."]


@pytest.mark.parametrize(
    "fields", [{"uri": ""}, {"uri": "  "}, {"status": "interrupted"}, {"status": "running"}]
)
def test_nothing_is_tracked_without_address_or_ending(warned, fields):
    assert warned("raise SystemExit(3)", **fields) == ([], [])


def test_the_real_program_reports_its_error(warned, monkeypatch, tmp_path):
    """MLflow's store is a file in the place of a folder, or MLflow is not there: both are errors of its process."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    settings_uri = f"sqlite:///{tmp_path}/file/mlflow.db"
    (sentence,) = warned(None, uri=settings_uri, seconds=60)[1]
    assert sentence.startswith(f"The night is not tracked: MLflow at {settings_uri} failed: ")
    assert "Error: " in sentence


@pytest.mark.parametrize("refused", ["start", "parameters", "metrics", "artifact", "end", "all"])
def test_an_error_of_any_call_is_reported_as_text(tmp_path, refused):
    class Refusing(Refuser):
        def __init__(self, uri, experiment, folder):
            super().__init__(refused)

    request = Request("refuser:", 5, night_of(tmp_path, fit_of("als")))
    first = "start" if refused == "all" else refused
    assert try_to_send(request, Refusing) == f"ConnectionError: no {first}"


def test_the_deepest_error_of_the_system_is_the_reason():
    refused = ConnectionRefusedError(111, "Connection refused")
    inside, outside = ValueError("inside"), RuntimeError("a long story")
    inside.__cause__, outside.__context__ = refused, inside
    assert reason(outside) is refused
    assert reason(inside) is refused
    plain = RuntimeError("alone")
    assert reason(plain) is plain


def test_a_tracker_is_opened_with_address_experiment_and_home(tmp_path):
    opened: list[tuple] = []

    class Opened(Recorder):
        def __init__(self, *given):
            opened.append(given)
            super().__init__()

    kind: type[Tracker] = Opened
    assert try_to_send(Request("recorder:x", 5, night_of(tmp_path)), kind) == ""
    assert opened == [("recorder:x", "nightly-recs demo 0123abcd", tmp_path)]
