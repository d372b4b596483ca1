"""The log of JSON lines: every line parses, whatever a night, a library or an error prints."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flows.terminal import json_log as module
from flows.terminal.json_log import JsonLog, asked_for, json_log
from tasks.errors import UsageError
from tasks.monitoring.events import Watcher, watched
from tests.tasks.reporting.nights import night

FIELDS = {"time", "level", "event", "run", "stage", "model", "seconds", "note"}


class Stderr(io.StringIO):
    """A stream that takes the place of stderr once its log is asked for: pytest puts its own in place before a test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._patch = patch

    def log(self) -> JsonLog:
        if not module._installed:
            self._patch.setattr(sys, "stderr", self)
        return json_log()


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stderr]:
    """Yield a stream in place of stderr; put the handlers of the root logger back afterwards."""
    root = logging.getLogger()
    before = [*root.handlers]
    monkeypatch.setattr(module, "_installed", [])
    yield Stderr(monkeypatch)
    root.handlers = before
    logging.captureWarnings(capture=False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert all(line.keys() >= FIELDS for line in found)
    return found


def test_every_event_is_one_line_with_all_fields(stderr: Stderr) -> None:
    log = stderr.log()
    watcher: Watcher = log
    log.run_id = 7
    with watched(watcher, "fit", "als") as timing:
        timing.note = "2 lines\nand a “quotation”"
    with pytest.raises(ValueError, match="bad"), watched(watcher, "fit", "bpr"):
        raise ValueError("bad")
    started, finished, _, failed = lines(stderr)
    assert (started["event"], started["stage"], started["model"], started["run"]) == (
        "started",
        "fit",
        "als",
        7,
    )
    assert finished["note"] == "2 lines\nand a “quotation”"
    assert finished["seconds"] >= 0
    assert datetime.fromisoformat(finished["time"]).utcoffset() is not None
    assert finished["time"].endswith("Z")
    assert (failed["level"], failed["note"], failed["model"]) == ("error", "ValueError: bad", "bpr")


def test_warnings_and_foreign_lines_become_events(stderr: Stderr) -> None:
    log = stderr.log()
    assert json_log() is log
    log.say("first")
    logging.getLogger("tasks.somewhere").warning("%s is odd", "it")
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    sys.stderr.write("half a ")
    sys.stderr.write("line\n│ framed │\n╭──╮\n")
    logging.getLogger().handlers = [logging.StreamHandler()]  # as Prefect does
    log.say("last")
    logging.getLogger().warning("still here")
    found = [(line["event"], line["note"]) for line in lines(stderr)]
    assert found[0] == ("note", "first")
    assert found[1] == ("message", "it is odd")
    assert found[2][0] == "message"
    assert "old" in found[2][1]
    assert found[3:] == [
        ("output", "half a line"),
        ("output", "framed"),
        ("note", "last"),
        ("message", "still here"),
    ]


def test_end_and_error_say_the_exit_code(stderr: Stderr) -> None:
    log = stderr.log()
    log.ended(night(), 0)
    log.ended(night(status="check_failed"), 3)
    log.error(UsageError("It is wrong.", "Mend it."))
    ended, held_back, error = lines(stderr)
    assert (ended["status"], ended["level"], ended["exit_code"], ended["seconds"]) == (
        "published",
        "info",
        0,
        18,
    )
    assert (held_back["level"], held_back["exit_code"]) == ("error", 3)
    assert (error["note"], error["exit_code"], error["level"]) == ("It is wrong. Mend it.", 2, "error")


def test_progress_is_told_from_time_to_time(stderr: Stderr, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    log = stderr.log()
    log.started("fit", "als")
    for step in range(1, 26):
        now[0] = float(step)
        log.advanced("fit", "als", step, 25)
    assert [line.get("done") for line in lines(stderr)] == [None, 10, 20]


def test_threads_do_not_mix_their_lines() -> None:
    class InParts(io.StringIO):
        """Lets another thread write in the middle of a line."""

        def write(self, text: str) -> int:
            for part in (text[:20], text[20:]):
                super().write(part)
                time.sleep(0.001)
            return len(text)

    stream = InParts()
    log = JsonLog(stream)
    before = [*logging.getLogger().handlers]
    threads = [threading.Thread(target=lambda: [log.say("x" * 50) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logging.getLogger().handlers = before
    assert len(lines(stream)) == 40


def test_stream_that_cannot_be_written_stops_no_night() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("no space")

    before = [*logging.getLogger().handlers]
    JsonLog(Full()).say("lost")
    logging.getLogger().handlers = before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--log", "json"], True),
        (["--debug", "run", "--log=json", "--force"], True),
        (["run", "--log", "text"], False),
        (["run", "--log"], False),
        (["runs", "--log", "json"], False),
        ([], False),
    ],
)
def test_json_is_asked_for_before_parsing(arguments: list[str], expected: bool) -> None:
    assert asked_for(arguments) == expected


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [("--as-of", "never"), ("--nope",), ("--set", "run.sede=1")])
def test_bad_input_is_json_too(wrong: tuple[str, ...], tmp_path: Path) -> None:
    arguments = ["recs", "run", "--home", str(tmp_path / "home"), "--log", "json", *wrong]
    program = f"import sys, nightly_recs; sys.argv = {arguments!r}; nightly_recs.main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events
    assert set(events) <= {"error", "output"}
    assert not (tmp_path / "home").exists()
