"""The command line: exit codes, help that teaches, errors of one sentence. Nights themselves: test_night.py."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from flows.prefect_runtime import home as prefect_home
from tasks.config.settings import Settings
from tasks.config.tuned_settings import Evidence, Tuned, evaluation_settings, write_tuned
from tasks.errors import NightError, UsageError
from tasks.run import lifecycle
from tasks.run.lifecycle import Outcome
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Run, Runs
from tests.flows.conftest import RunNight

COMMANDS = [
    "run",
    "tune",
    "show",
    "similar",
    "runs",
    "report",
    "compare",
    "rollback",
    "verify",
    "prune",
    "schedule",
    "generate",
    "fetch",
]


def recs(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def invoke(*arguments: str) -> str:
    """The output of a command in this process; its error, if any, is raised."""
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "120"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    assert command in invoke("--help")
    text = invoke(command, "--help")
    assert f"recs {command}" in text or f"{command} [OPTIONS]" in text
    assert len(text) > 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--dataset", "no/such/folder"), "There is no data set 'no/such/folder'"),
        (("run", "--dataset", "."), "holds no ratings, tags or events"),
        (("run", "--set", "split.metod=auto"), "Did you mean split.method?"),
        (("run", "--models", "popularty"), "--models is wrong: There is no model 'popularty'."),
        (("run", "--models", ""), "--models names no model"),
        (("tune", "--models", " , "), "--models names no model"),
        (("run", "--as-of", "yesterday"), "--as-of 'yesterday' is no date"),
        (("tune", "--budget", "soon"), "--budget 'soon' is no length of time"),
        (("tune", "--models", "popularity"), "The model popularity has nothing to tune"),
        (("tune", "--models", "alz"), "Did you mean 'als'?"),
        (("show", "1", "--home", "nowhere"), "no night has run there yet"),
        (("fetch", "netflix"), "nothing to fetch called 'netflix'"),
        (("schedule", "--cron", "daily"), "has 1 fields, not five"),
        (("rollback", "abc"), "'abc' is no run. A run is named by a number such as"),
        (("compare", "1", "b"), "'b' is no run."),
        (("show", "1", "-n", "0"), "-n takes a whole number of at least 1 (given: 0)."),
        (("tune", "--trials", "x"), "--trials takes a whole number of at least 1 (given: x)."),
        (("run", "--set", "split.method=foo"), "it takes 'temporal', 'leave_last' or 'auto' (given: 'foo')"),
        (("shw",), "No such command 'shw'"),
    ],
)
def test_a_mistake_exits_2_with_one_sentence_and_starts_nothing(
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["recs", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.replace("│", " ").split())
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_ends_a_process_quietly(tmp_path: Path) -> None:
    result = recs("run", "--models", "popularty", cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) <= 2, "a sentence and a hint; no library has the last word"


def test_lists_nights_and_figures_are_shown_with_titles(run_plain: RunNight, home: Home) -> None:
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


def test_tune_tells_of_every_model_and_where_its_settings_are(tmp_path: Path, dataset: Path) -> None:
    arguments = (
        "--home",
        tmp_path / "home",
        "--models",
        "item_knn",
        "--trials",
        4,
        "--set",
        "split.method=temporal",
    )
    text = invoke("tune", "--dataset", dataset, *arguments)
    assert "item_knn 0" in text
    assert "the default settings" in text
    assert "users of the select half of an earlier window: temporal:" in text
    assert ("Better than the defaults" in text) == (tmp_path / "home" / "tuned.toml").exists()
    again = invoke("tune", *arguments, "--trials", 5)
    assert "item_knn 0 " not in again, "it goes on after the fourth"
    assert "5 trials" in again


def test_run_takes_tuned_settings_and_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    night_tuned_for = (datetime(2026, 11, 20, 12), evaluation_settings(Settings()))
    evidence = Evidence(
        "ndcg@10", 0.2, 0.1, 0.1, 0.05, 0.15, 9, 9, 42, "", "", "2026-11-21T02:00:00+00:00", *night_tuned_for
    )
    write_tuned(home.tuned, {"als": Tuned({"factors": 99}, evidence)})
    factors = []

    def night(where: Home, settings: Settings, *_: object, **__: object) -> Outcome:
        factors.append(settings.models.config("als").model_dump()["factors"])
        return Outcome(
            Run(1, "", "", datetime(2026, 11, 21), 42, None, status="published"), "", None, "Nothing new."
        )

    monkeypatch.setattr(prefect_home, "settle_in", lambda *_, **__: None)
    monkeypatch.setattr(lifecycle, "run_night", night)
    assert "Tuned settings of als (2026-11-21), from" in invoke("run", "--home", home.path)
    assert "Tuned" not in invoke("run", "--home", home.path, "--set", "models.tuned=false")
    invoke("run", "--home", home.path, "--set", "models.als.factors=7")
    assert "Without the tuned settings of als" in invoke("run", "--home", home.path, "--as-of", "2026-11-20")
    assert "run.seed is 7 and was 42" in invoke("run", "--home", home.path, "--set", "run.seed=7")
    assert factors == [99, 256, 7, 256, 256]


def test_generate_writes_what_run_can_read(tmp_path: Path) -> None:
    text = invoke(
        "generate", tmp_path / "small", "--users", 30, "--items", 100, "--ratings", 700, "--tags", 20
    )
    assert {p.name for p in (tmp_path / "small").iterdir()} == {
        "ratings.csv",
        "tags.csv",
        "movies.csv",
        "events.csv",
    }
    assert "700" in text
    text = invoke(
        "generate", tmp_path / "untagged", "--users", 30, "--items", 100, "--ratings", 700, "--tags", 0
    )
    assert "0 tags" in text
    assert "no tags.csv" in text
    assert not (tmp_path / "untagged" / "tags.csv").exists()


def test_schedule_prints_a_cron_line_and_a_timer() -> None:
    text = invoke("schedule", "--cron", "30 2 * * *", "--dataset", "ml-25m")
    assert "30 2 * * * cd " in text
    assert "recs run --dataset ml-25m >> recs.log" in text
    assert "OnCalendar=*-*-* 02:30:00" in text


@pytest.mark.parametrize("code", [1, 3, 4])
def test_an_error_ends_with_its_own_exit_code(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = NightError("It broke.", "Mend it.")
    error.exit_code = code

    def breaks() -> None:
        raise error

    monkeypatch.setattr(cli, "app", breaks)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == "Error: It broke.\nMend it.\n"


def test_an_error_that_was_told_holds_on_to_nothing() -> None:
    def fail() -> None:
        try:
            raise OSError("the cause")
        except OSError as cause:
            try:
                raise ValueError("on the way")
            except ValueError:
                raise NightError("the sentence") from cause

    with pytest.raises(NightError) as caught:
        fail()
    error = caught.value
    assert error.__cause__ is not None
    assert error.__context__ is not None
    error.__context__.__cause__ = error  # a ring, as an error that was raised from itself makes one
    cli._forget_where(error)
    assert [e.__traceback__ for e in (error, error.__cause__, error.__context__)] == [None, None, None]


def test_nights_are_listed_though_the_server_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home("demo", tmp_path / "home")
    runs = Runs(home.runs)
    run = runs.begin("f", dataset="demo", seed=1, live=None)
    runs.finish(run, "failed", "why")
    monkeypatch.setenv("RECS_PUBLISH__URL", "postgresql://127.0.0.1:1/x")
    told = invoke("runs", "--home", home.path)
    assert str(run.run_id) in told
    assert "Which run is live is not known. postgresql://127.0.0.1:1/x cannot be reached" in told


def test_verifying_where_no_list_is_changes_nothing_and_says_what_to_do_there(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home").path
    with pytest.raises(UsageError, match="There are no lists in") as caught:
        invoke("verify", "--home", home)
    assert caught.value.hint == f"Publish some with: recs run --home {home}"
    assert not (home / "recommendations.db").exists()
