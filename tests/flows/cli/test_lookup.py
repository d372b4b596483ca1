"""Commands that only read: `show`, `similar`, `runs`, `report`. `compare` and pages: tests/flows/test_page.py."""

from pathlib import Path

import pytest

from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tests.flows.cli.invoke import invoke
from tests.flows.conftest import RunNight


def test_lists_nights_and_figures_are_shown(run_plain: RunNight, home: Home) -> None:
    outcome = run_plain(home)
    where = ("--home", home.path)
    shown = invoke("show", "1", "-n", "5", *where)
    assert "User 1 liked" in shown
    assert f"Recommended in run {outcome.run.run_id}" in shown
    assert "There is no list for user 999999" in invoke("show", "999999", *where)
    assert "Most like" in invoke("similar", "1", *where)
    assert "live" in invoke("runs", *where)
    figures = invoke("report", *where)
    for expected in (
        "Input, row by row",
        "Models on the report half",
        "Protocol:",
        "Champion",
        "sqlite3",
        "recommend",
    ):
        assert expected in figures


def test_runs_lists_nights_when_the_server_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home("demo", tmp_path / "home")
    runs = Runs(home.runs)
    run = runs.begin("f", dataset="demo", seed=1, live=None)
    runs.finish(run, "failed", "why")
    monkeypatch.setenv("RECS_PUBLISH__URL", "postgresql://127.0.0.1:1/x")
    output = invoke("runs", "--home", home.path)
    assert str(run.run_id) in output
    assert "The live run is not known. postgresql://127.0.0.1:1/x cannot be reached" in output
