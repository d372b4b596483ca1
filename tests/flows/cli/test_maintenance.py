"""Commands on the serving database between nights. On real lists: tests/flows/test_postgresql_night.py."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from tasks.errors import UsageError
from tasks.publication.publish import publish
from tasks.publication.targets.connect import open_target
from tasks.storage.home import existing_home, open_home
from tests.flows.cli.invoke import invoke
from tests.tasks.publication.published_lists import BIGINTS, OWNER, make_lists


def test_verify_changes_nothing_when_there_are_no_lists(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home").path
    with pytest.raises(UsageError, match="There are no lists in") as caught:
        invoke("verify", "--home", home)
    assert caught.value.hint == f"Publish some with: recs run --home {home}"
    assert not (home / "recommendations.db").exists()


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish to the database that the environment names; the home that did it is lost. Return a new home."""
    address = f"sqlite:///{tmp_path}/app.db"
    with open_target(address, owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 7, make_lists(tmp_path / "lists", 7), expected_live=None, keep_runs=3)
        target.record_run({"run_id": 7, "status": "published", "champion": "als"})
    monkeypatch.setenv("RECS_PUBLISH__URL", address)
    return open_home("demo", tmp_path / "home").path


def test_adopt_says_what_it_does_and_asks(lost: Path) -> None:
    refused = CliRunner().invoke(cli.app, ["adopt", "--home", str(lost)], input="n\n")
    assert refused.exit_code == 1
    assert f"belongs to the home {OWNER}; run 7 is live and stays so, 1 run is kept." in refused.output
    assert refused.output.endswith("Nothing was changed.\n")
    agreed = CliRunner().invoke(cli.app, ["adopt", "--home", str(lost)], input="y\n")
    assert agreed.exit_code == 0
    assert agreed.output.endswith(f"app.db belongs to {lost} now.\n")
    with pytest.raises(UsageError, match="belongs to this home already"):
        invoke("adopt", "--home", lost, "--yes")


def test_adopt_does_not_ask_with_yes(lost: Path) -> None:
    assert "Take it over?" not in invoke("adopt", "--home", lost, "--yes")
    (row,) = [line for line in invoke("runs", "--home", lost).splitlines() if line.startswith("7 ")]
    assert row.split() == ["7", "published", "live", "als"]


def test_target_shows_and_moves_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home("demo", tmp_path / "home")
    assert "no database yet" in invoke("target", "--home", home.path)
    home.remember_target("postgresql://db:5432/lists")
    monkeypatch.setenv("RECS_PUBLISH__URL", "postgresql://joe:hunter2@db/lists")
    assert invoke("target", "--home", home.path) == "postgresql://db:5432/lists\n"
    address = f"sqlite:///{tmp_path}/app.db"
    monkeypatch.setenv("RECS_PUBLISH__URL", address)
    with pytest.raises(UsageError, match="published to postgresql://db:5432/lists"):
        invoke("target", "--home", home.path)
    said = invoke("target", "--move", "--home", home.path)
    assert said == (
        f"The next night publishes to {address}. The lists in postgresql://db:5432/lists stay as they are.\n"
    )
    assert invoke("target", "--home", home.path) == f"{address}\n"


def test_adopt_makes_a_home_that_is_absent(
    lost: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new = tmp_path / "new"
    refused = CliRunner().invoke(cli.app, ["adopt", "--home", str(new)], input="n\n")
    assert (refused.exit_code, new.exists()) == (1, False)
    assert f"a new home, {new}, of the data set demo" in refused.output
    assert f"belongs to {new} now." in invoke("adopt", "--home", new, "--yes")
    assert existing_home(new).dataset == "demo"
    assert "live" in invoke("runs", "--home", new)


def test_adopt_needs_a_database_when_there_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RECS_PUBLISH__URL is not set") as caught:
        invoke("adopt", "--home", tmp_path / "new", "--yes")
    assert "address of the lost home's database" in caught.value.hint
    assert not (tmp_path / "new").exists()


def test_adopt_takes_the_end_of_input_for_no(lost: Path) -> None:
    refused = CliRunner().invoke(cli.app, ["adopt", "--home", str(lost)], input="")
    assert refused.exit_code == 1
    assert refused.output.endswith("\nNothing was changed.\n")


def test_a_run_that_came_by_adoption_has_no_record(lost: Path) -> None:
    invoke("adopt", "--home", lost, "--yes")
    for command in (("compare", "7", "8"), ("report", "7")):
        with pytest.raises(UsageError, match="adopted, the record of the night was not"):
            invoke(*command, "--home", lost)
    with pytest.raises(UsageError, match="There is no run 8"):
        invoke("report", "8", "--home", lost)


def test_target_does_not_move_to_a_missing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home("demo", tmp_path / "home")
    home.remember_target(home.default_url)
    monkeypatch.setenv("RECS_PUBLISH__URL", f"sqlite:///{tmp_path}/nowhere/app.db")
    with pytest.raises(UsageError, match=r"Nothing was moved: The folder .*nowhere does not exist") as caught:
        invoke("target", "--move", "--home", home.path)
    assert "Make it" in caught.value.hint
    assert home.target == home.default_url


def test_target_does_not_move_to_a_silent_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home("demo", tmp_path / "home")
    monkeypatch.setenv("RECS_PUBLISH__URL", "postgresql://127.0.0.1:1/x")
    with pytest.raises(UsageError, match=r"Nothing was moved: .*cannot be reached"):
        invoke("target", "--move", "--home", home.path)
    assert home.target is None
