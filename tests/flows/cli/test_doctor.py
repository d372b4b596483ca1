"""The command `recs doctor`: a line for each examination, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from flows.prefect_runtime import diagnosis
from flows.prefect_runtime.diagnosis import examine_prefect
from tasks.diagnosis.finding import examine_all
from tasks.storage.health import Health, Untold
from tasks.storage.home import Home, make_home
from tests.tasks.reporting.nights import BEGAN
from tests.tasks.storage.kept_health import write_health

LINES = [
    "Settings", "Python", "Packages", "Threads", "Messages", "Home", "Disk", "Space", "Memory", "Locks", "Clock",
    "Prefect", "Artifacts", "Database",
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    return make_home(tmp_path / "home", "tiny")


def doctor(*arguments: object) -> tuple[int, list[str]]:
    result = CliRunner().invoke(cli.app, ["doctor", *map(str, arguments)], env={"COLUMNS": "500"})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output.splitlines()


def test_healthy_home_has_a_line_for_everything_and_changes_nothing(home: Home) -> None:
    before = sorted(path for path in home.path.rglob("*"))
    code, lines = doctor("--home", home.path)
    assert code == 0
    assert [line.split()[1] for line in lines] == LINES
    assert {line.split()[0] for line in lines} <= {"OK", "look"}
    assert sorted(path for path in home.path.rglob("*")) == before


def test_anything_bad_is_exit_1_and_the_others_are_examined(home: Home) -> None:
    Path("pipeline.toml").write_text("[run]\nsede = 1\n")
    (home.runs / "7").mkdir()
    (home.runs / "7" / "run.json").write_text("{")
    code, lines = doctor("--home", home.path)
    assert code == 1
    bad = [line.split()[1] for line in lines if line.startswith("bad")]
    assert bad == ["Settings", "Home"]
    assert "is damaged" in next(line for line in lines if " Home " in line)
    assert lines[-1] == "2 of 6 are bad."


def test_home_that_does_not_exist_is_bad_if_it_was_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = home.path.parent / "nowhere"
    code, lines = doctor("--home", nowhere)
    assert (code, lines[-1]) == (1, "1 of 6 is bad.")
    assert lines[-2].startswith(
        f"bad   Home      There is no home at {nowhere}: no night has run there yet. "
    )
    monkeypatch.setenv("RECS_HOME", str(nowhere))
    assert doctor()[0] == 1
    monkeypatch.delenv("RECS_HOME")
    code, lines = doctor()
    assert code == 0, "data/demo, which the first `recs run` makes"
    assert lines[-1].startswith("look  Home      There is no home at data/demo")


def test_messages_that_have_not_arrived_are_shown(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_NOTIFY__URL", "json://me:hunter2@host")
    write_health(home, Health(untold=[Untold("failed", "nightly-recs tiny: failed", "", "failure", BEGAN)]))
    code, lines = doctor("--home", home.path)
    [line] = [each for each in lines if " Messages " in each]
    assert (code, line.split()[0], "hunter2" in line) == (0, "look", False)
    assert f"1 has not arrived, the oldest of {BEGAN} UTC: nightly-recs tiny: failed. Does recs" in line


def test_prefect_needs_its_folder_or_an_api_that_answers(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine_prefect(home.prefect).verdict == "OK"
    monkeypatch.setattr(diagnosis.os, "access", lambda *_: False)
    assert examine_prefect(home.prefect).verdict == "bad"
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(diagnosis, "import_prefect", lambda: None)
    monkeypatch.setattr(diagnosis, "configure_prefect", lambda *_, **__: None)
    monkeypatch.setattr("flows.prefect_runtime.api._MAX_RETRIES", 0)
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415  (after the environment)

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        (found,) = examine_all([("Prefect", lambda: examine_prefect(home.prefect))])
    assert found.verdict == "bad"
    assert "http://127.0.0.1:9/api cannot be used" in found.seen
