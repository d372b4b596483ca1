"""Command-line values: paths with `~`, ids below zero, and what `--help` shows."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from flows.cli.options import parse_dataset
from tasks.errors import UsageError
from tests.flows.cli.invoke import invoke
from tests.flows.cli.test_app import COMMANDS


def test_dataset_is_a_name_or_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/theirs")
    assert parse_dataset("~/in") == "/theirs/in"
    assert parse_dataset("ml-25m/") == "ml-25m/"
    with pytest.raises(UsageError, match="--dataset s3://bucket/in is a URL"):
        parse_dataset("s3://bucket/in")


@pytest.mark.parametrize("home", ["s3://bucket/h", "file:///srv/h", "$HOME/h", "${HOME}/h", "%APPDATA%/h"])
@pytest.mark.parametrize("given", ["--home", "RECS_HOME"])
def test_home_that_is_no_path_makes_no_folder(
    home: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if given == "RECS_HOME":
        monkeypatch.setenv("RECS_HOME", home)
    result = CliRunner().invoke(cli.app, ["run", *(["--home", home] if given == "--home" else [])])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(f"{given} {home} ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("run", "--config", "$X/p.toml"), ("generate", "$X/in"), ("fetch", "ml-25m", "--folder", "$X/in")],
)
def test_every_option_of_a_path_takes_no_variable(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, arguments)
    assert "holds $X, which nothing has expanded" in str(result.exception)


@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_home_with_a_tilde_is_not_made_twice(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--home=~/recs` and `RECS_HOME=~/recs` in a unit file reach the program as they are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "theirs"))
    if given == "variable":
        monkeypatch.setenv("RECS_HOME", "~/recs")
    arguments = ["--home=~/recs"] if given == "option" else []
    result = CliRunner().invoke(cli.app, ["runs", *arguments])
    assert f"There is no home at {tmp_path}/theirs/recs" in str(result.exception)


def test_schedule_prints_paths_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user of a systemd unit has another home directory."""
    monkeypatch.setenv("HOME", "/theirs")
    text = invoke("schedule", "--home=~/recs", "--dataset=~/in", "--config=~/p.toml")
    assert "--dataset /theirs/in --home /theirs/recs --config /theirs/p.toml" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "-1"), "There is no home at nowhere"),
        (("show", "-n", "5", "-12.5"), "There is no home at nowhere"),
        (("similar", "-1"), "There is no home at nowhere"),
        (("show", "--", "-abc"), "There is no home at nowhere"),
        (("rollback", "-1"), "'-1' is not a run id"),
        (("report", "-1"), "'-1' is not a run id"),
        (("compare", "-1", "-2"), "'-1' is not a run id"),
    ],
)
def test_an_id_below_zero_is_no_option(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *rest = arguments
    result = CliRunner().invoke(cli.app, [command, "--home", "nowhere", *rest])
    assert message in str(result.exception)


def test_an_unknown_option_says_how_to_write_an_id() -> None:
    result = CliRunner().invoke(cli.app, ["show", "--hom", "x"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert (
        "No such option: --hom. If it is an id: recs show -- ID (Possible options: --home)" in result.output
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_shows_no_types(command: str) -> None:
    text = invoke(*command.split(), "--help")
    assert not {word for word in ("<bool>", "<str>", "<path>", "<int>", "<Path>") if word in text}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_sentence(command: str) -> None:
    lines = [line.strip("│ ") for line in invoke(command, "--help").splitlines() if "│" in line]
    options = [line for line in lines if line.startswith("-")]
    assert options
    assert [line for line in options if len(line.split("  ")[-1]) < 10] == []
