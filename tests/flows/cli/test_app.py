"""The command line: help, exit codes, errors of one sentence; `run` and `tune`. Whole nights: test_night.py."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.main import get_command

from flows.cli import app as cli
from flows.night_parameters import NightParameters
from flows.prefect_runtime import home as prefect_home
from tasks.config.load import load_settings
from tasks.config.settings import Settings
from tasks.config.tuned_settings import Evidence, Tuned, evaluation_settings, write_tuned
from tasks.errors import NightError, UsageError, as_night_error
from tasks.run import lifecycle
from tasks.run.lifecycle import Outcome
from tasks.storage.home import Home
from tasks.storage.run_records import Run
from tests.flows.cli.invoke import invoke

COMMANDS = list(get_command(cli.app).commands)


def recs(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_every_module_of_commands_is_registered() -> None:
    assert {"run", "tune", "show", "compare", "rollback", "prune", "schedule", "generate", "fetch"} <= set(
        COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert command in invoke("--help")
    text = invoke(command, "--help")
    assert f"recs {command}" in text or f"{command} [OPTIONS]" in text
    assert len(text) > 200


def test_an_absent_engine_is_refused_before_a_home_is_made(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tasks.engine.open_engine.find_spec", lambda _: None)
    asked = NightParameters(dataset="demo", home=str(tmp_path / "home"), settings=("engine.kind=ray",))
    with pytest.raises(UsageError, match="needs ray and prefect_ray, which are not installed") as raised:
        asked.open()
    assert "pip install 'nightly-recs[ray]'" in raised.value.hint
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--dataset", "no/such/folder"), "There is no data set 'no/such/folder'"),
        (("run", "--dataset", "."), "holds no ratings, tags or events"),
        (("run", "--set", "split.metod=auto"), "Did you mean split.method?"),
        (("run", "--models", "popularty"), "--models is wrong: There is no model 'popularty'."),
        (("run", "--models", ""), "--models names no model"),
        (("tune", "--models", " , "), "--models names no model"),
        (("run", "--as-of", "yesterday"), "--as-of 'yesterday' is not a date"),
        (("tune", "--budget", "soon"), "--budget 'soon' is no length of time"),
        (("tune", "--models", "popularity"), "The model popularity has nothing to tune"),
        (("tune", "--models", "alz"), "Did you mean 'als'?"),
        (("show", "1", "--home", "nowhere"), "no night has run there yet"),
        (("fetch", "netflix"), "There is no data set 'netflix' to fetch"),
        (("schedule", "--cron", "daily"), "has 1 fields, not five"),
        (("rollback", "abc"), "'abc' is not a run id. A run id is a number such as"),
        (("compare", "1", "b"), "'b' is not a run id."),
        (("show", "1", "-n", "0"), "-n takes a whole number of at least 1 (given: 0)."),
        (("tune", "--trials", "x"), "--trials takes a whole number of at least 1 (given: x)."),
        (
            ("run", "--set", "split.method=foo"),
            "it takes 'temporal', 'leave_last', 'random' or 'auto' (given: 'foo')",
        ),
        (("shw",), "No such command 'shw'"),
    ],
)
def test_a_usage_error_exits_2_and_starts_nothing(
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
    printed = capsys.readouterr().err
    assert message in " ".join(printed.replace("│", " ").split())
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []


def test_a_usage_error_prints_two_lines_at_most(tmp_path: Path) -> None:
    result = recs("run", "--models", "popularty", cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) <= 2, "a sentence and a hint; no library has the last word"


@pytest.mark.slow
def test_tune_shows_each_model_and_resumes(tmp_path: Path, dataset: Path) -> None:
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
    assert "The window: temporal:" in text
    assert ("Better than the defaults" in text) == (tmp_path / "home" / "tuned.toml").exists()
    again = invoke("tune", *arguments, "--trials", 5)
    assert "item_knn 0 " not in again, "it continues after the fourth"
    assert "5 trials" in again


def test_run_takes_tuned_settings_and_prints_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
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

    monkeypatch.setattr(prefect_home, "configure_prefect", lambda *_, **__: None)
    monkeypatch.setattr(lifecycle, "run_night", night)
    assert "Tuned settings of als (2026-11-21), from" in invoke("run", "--home", home.path)
    assert "Tuned" not in invoke("run", "--home", home.path, "--set", "models.tuned=false")
    invoke("run", "--home", home.path, "--set", "models.als.factors=7")
    assert "Without the tuned settings of als" in invoke("run", "--home", home.path, "--as-of", "2026-11-20")
    assert "run.seed is 7 and was 42" in invoke("run", "--home", home.path, "--set", "run.seed=7")
    assert factors == [99, 256, 7, 256, 256]


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


def test_an_unexpected_error_advises_a_command_that_shows_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(_: object) -> None:
        raise ZeroDivisionError("by zero")

    def ends(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["recs", *arguments, "--home", str(tmp_path)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1
        return capsys.readouterr().err

    monkeypatch.setattr("flows.cli.lookup.existing_home", breaks)
    advice = "`recs --debug runs` with the same options shows where."
    assert ends("runs") == f"Error: ZeroDivisionError: by zero\n{advice}\n"
    assert "Traceback" in ends("--debug", "runs")
    assert as_night_error(ZeroDivisionError()).hint == (
        "`recs --debug run` with the same options shows where; `recs runs` says which lists are live."
    ), "a night, however it was started"


def test_a_printed_error_keeps_no_traceback() -> None:
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
    cli._drop_tracebacks(error)
    assert [e.__traceback__ for e in (error, error.__cause__, error.__context__)] == [None, None, None]


def test_a_contradiction_of_settings_keeps_no_traceback() -> None:
    """The error of a validator is in no chain of causes: pydantic keeps it."""
    with pytest.raises(UsageError) as caught:
        load_settings(None, ("data.rating_max=3",))
    refused = caught.value.__context__
    assert isinstance(refused, ValidationError)
    [detail] = refused.errors()
    assert detail["ctx"]["error"].__traceback__ is not None
    cli._drop_tracebacks(caught.value)
    assert detail["ctx"]["error"].__traceback__ is None
