"""`recs forget` and `recs remember` with bad input, and in a home without lists. On real lists: tests/flows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from tasks.errors import LockedError, UsageError
from tasks.storage.home import Home, locked, open_home
from tests.flows.cli.invoke import invoke


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose ids are whole numbers, before any list was published."""
    made = open_home("demo", tmp_path / "home")
    made.fix_id_types("BIGINT", "BIGINT")
    return made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forget"], "No user and no item is named"),
        (["remember"], "No user and no item is named"),
        (["forget", "abc"], "User ids are whole numbers here, and 'abc' is not one of them"),
        (["forget", "--items", "x"], "Item ids are whole numbers here, and 'x' is not one of them"),
        (["forget", "9" * 30], "is not one of them"),
        (["forget", " "], "' ' is no user id"),
        (["forget", "--items", "1,,2"], "'' is no item id"),
        (["forget", "42", "43"], "There is no user 42 in"),
        (["forget", "--items", "17"], "There is no item 17 in"),
        (["remember", "42"], "The user 42 is not forgotten in"),
        (["forget", "42", "--set", "nonsense"], "nonsense"),
    ],
)  # fmt: skip
def test_bad_input_is_named_and_changes_nothing(home: Home, arguments: list[str], message: str) -> None:
    before = sorted(home.path.rglob("*"))
    with pytest.raises(UsageError, match=message) as caught:
        invoke(*arguments, "--home", home.path, *(["--yes"] if arguments[0] == "forget" else []))
    assert caught.value.hint
    if len(arguments) == 1:
        assert f"recs {arguments[0]} 42" in caught.value.hint
    assert [path for path in sorted(home.path.rglob("*")) if path.suffix != ".lock"] == before


def test_a_home_without_a_night_has_nothing_to_forget(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home")
    with pytest.raises(UsageError, match="nothing to forget yet"):
        invoke("forget", "42", "--home", home.path, "--yes")
    with pytest.raises(UsageError, match="There is no home at"):
        invoke("forget", "42", "--home", tmp_path / "nowhere", "--yes")


def test_an_unseen_id_is_refused_in_advance_and_remembered(home: Home) -> None:
    said = invoke("forget", "042", "--items", "17,18", "--unseen", "--yes", "--home", home.path)
    assert "Nothing is left of user 42 and items 17, 18." in said
    assert not (home.path / "recommendations.db").exists()
    listed = json.loads(home.forgotten.read_text())
    assert (len(listed["users"]), len(listed["items"])) == (1, 2)
    assert "Forgotten before: 42" in invoke("forget", "42", "--yes", "--home", home.path)
    assert "takes in again: 42, item 17." in invoke("remember", "42", "--items", "17", "--home", home.path)
    with pytest.raises(UsageError, match="is not forgotten"):
        invoke("remember", "42", "--home", home.path)


def test_no_answer_is_a_no(home: Home) -> None:
    result = CliRunner().invoke(cli.app, ["forget", "42", "--unseen", "--home", str(home.path)], input="")
    assert (result.exit_code, home.forgotten.exists()) == (1, False)
    assert result.output.endswith("Nothing was changed.\n")


@pytest.mark.parametrize("activity", ["night", "tune"])
def test_it_waits_for_no_night(home: Home, activity: str) -> None:
    with locked(home, activity), pytest.raises(LockedError) as caught:
        invoke("forget", "42", "--unseen", "--yes", "--home", home.path)
    assert caught.value.exit_code == 4
    assert not home.forgotten.exists()
