"""Whole nights that publish to PostgreSQL, and every command on the lists there."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from flows.nightly import run_flow
from tasks.config.load import load_settings
from tasks.errors import TransientError
from tasks.monitoring.events import SilentWatcher
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome, run_night
from tasks.storage.home import Home, existing_home, open_home
from tests.flows.cli.invoke import invoke
from tests.flows.conftest import SETTINGS, USERS, RunNight
from tests.tasks.postgres_server import Server, new_schema, running_server
from tests.tasks.serving import Serving

PASSWORD = "correct-horse-battery-staple"


@pytest.fixture
def serving(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """The schema that nights publish to; its address holds a password."""
    url = new_schema(postgres).replace("postgres:@", f"postgres:{PASSWORD}@")
    assert PASSWORD in url
    monkeypatch.setenv("RECS_PUBLISH__URL", url)
    return Serving(url, tmp_path)


@pytest.fixture(scope="module")
def finished_work(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a home without a run, whose artifact store holds the finished stages of a first night."""
    folder = tmp_path_factory.mktemp("finished") / "home"
    plain_night(open_home(str(dataset), folder))
    (folder / "recommendations.db").unlink()
    shutil.rmtree(folder / "runs")
    (folder / "runs").mkdir()
    about = json.loads((folder / "home.json").read_text())
    del about["target"]
    (folder / "home.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def home(finished_work: Path, tmp_path: Path) -> Home:
    """A home whose first night finds its models fitted: these tests are about publication."""
    return existing_home(Path(shutil.copytree(finished_work, tmp_path / "home")))


def plain_night(home: Home, *settings: str) -> Outcome:
    return run_night(home, load_settings(None, (*SETTINGS, *settings)), nightly, SilentWatcher())


@pytest.mark.slow
def test_every_command_works_on_two_nights(home: Home, serving: Serving) -> None:
    first = plain_night(home).run
    assert first.status == "published", first.reason
    assert plain_night(home).nothing_new
    second = plain_night(home, "models.als.factors=4").run
    assert serving.query("select distinct run_id from recommendations") == [(second.run_id,)]
    assert serving.query("select count(*) from recommendations") == [(USERS * 20,)]
    assert not (home.path / "recommendations.db").exists()

    def output(*arguments: object) -> str:
        return invoke(*map(str, arguments), "--home", str(home.path))

    assert f"Recommended in run {second.run_id}" in output("show", 1)
    assert "Most like" in output("similar", 1)
    assert "live" in output("runs")
    report = output("report")
    assert f"3,000 rows in {serving.place}" in report
    assert """psql "$RECS_PUBLISH__URL" -c "select rank, item_id""" in report
    assert "all lists, 3,000 rows" in output("verify")
    assert f"Run {first.run_id} is live" in output("rollback")
    assert f"Recommended in run {first.run_id}" in output("show", 1)
    assert f"Removed {second.run_id}" in output("prune", "--keep", 1)
    serving.execute(f"update recommendations_{first.run_id} set item_id = 1 where user_id = 1 and rank = 1")
    result = CliRunner().invoke(cli.app, ["verify", "--home", str(home.path)])
    assert "not those that were published" in str(result.exception)


def test_a_failed_check_keeps_the_live_lists(home: Home, serving: Serving) -> None:
    first = plain_night(home).run
    bad = plain_night(home, "models.als.factors=4", "check.min_catalogue_coverage=1").run
    assert bad.status == "check_failed", bad.reason
    assert serving.query("select distinct run_id from recommendations") == [(first.run_id,)]


@pytest.mark.parametrize("way", ["run_plain", pytest.param("run", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_the_password_appears_nowhere(
    way: str,
    request: pytest.FixtureRequest,
    home: Home,
    serving: Serving,
    tmp_path_factory: pytest.TempPathFactory,
    capfd,
) -> None:
    """Neither in the home's files, nor in Prefect's database, nor in any output."""
    run: RunNight = request.getfixturevalue(way)
    run(home)
    for arguments in (["runs"], ["report"], ["show", "1"], ["verify"], ["rollback"]):
        result = CliRunner().invoke(cli.app, [*arguments, "--home", str(home.path)])
        assert PASSWORD not in result.output + str(result.exception)
    serving.execute("drop table published_runs cascade")
    with pytest.raises(Exception) as caught:  # noqa: PT011  (whatever it is)
        run(home, "models.als.factors=5")
    assert PASSWORD not in repr(caught.value)
    captured = capfd.readouterr()
    assert PASSWORD not in captured.out + captured.err
    prefects = [*tmp_path_factory.getbasetemp().glob("prefect*/*.db*")] if way == "run" else []
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert bool(prefects) == (way == "run")
    assert len(files) > 20
    assert [path for path in (*files, *prefects) if PASSWORD.encode() in path.read_bytes()] == []


class Outage(SilentWatcher):
    """Stops the serving database when the lists are checked, and starts it when publishing fails."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        if stage == "check":
            self._server.stop()

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        assert (stage, type(error)) == ("publish", TransientError)
        self._server.start()


@pytest.mark.slow
def test_publishing_is_retried_after_a_server_restart(
    prefect_server: None,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running_server() as server:
        monkeypatch.setenv("RECS_PUBLISH__URL", server.url)
        night = run_night(home, load_settings(None, SETTINGS), run_flow, Outage(server)).run
        assert night.status == "published"
    tried = [message for message in caplog.messages if "tried again" in message]
    assert len(tried) == 1
    assert tried[0].startswith("publish is tried again in 1 s: postgresql://")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["recommend als", "check", "publish"])
def test_a_killed_night_resumes_on_postgresql(home: Home, serving: Serving, stage: str) -> None:
    first = plain_night(home, "models.shelf=als").run
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.flows.test_postgresql_night import killed\n"
        "killed(Path(sys.argv[1]), sys.argv[2])"
    )
    command = [sys.executable, "-c", code, home.path, stage]
    ended = subprocess.run(command, check=False, capture_output=True, start_new_session=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    live = serving.query("select distinct run_id from recommendations")
    assert live == [(first.run_id,)] if stage != "publish" else live != [(first.run_id,)]
    again = plain_night(home, "models.shelf=als", "models.als.factors=4").run
    assert again.status == "published"
    assert serving.runs_with_tables() == {first.run_id, again.run_id}
    assert serving.query("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


def killed(path: Path, stage: str) -> None:
    """Run a night in this process that ends with SIGKILL after a stage."""
    from tests.flows.killed_night import Killer  # noqa: PLC0415

    chosen = load_settings(None, (*SETTINGS, "models.shelf=als", "models.als.factors=4"))
    run_night(existing_home(path), chosen, nightly, Killer(stage, 1, signal.SIGKILL))
