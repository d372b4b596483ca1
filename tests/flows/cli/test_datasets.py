"""Commands that bring a data set."""

import re
from pathlib import Path

import pytest

from tasks.errors import UsageError
from tests.flows.cli.invoke import invoke


def test_generate_writes_what_run_can_read(tmp_path: Path) -> None:
    text = invoke(
        "generate", tmp_path / "small", "--users", 30, "--items", 100, "--ratings", 700, "--tags", 20
    )
    assert {p.name for p in (tmp_path / "small").iterdir()} == {
        "ratings.csv",
        "tags.csv",
        "movies.csv",
        "events.csv",
        "users.csv",
        "links.csv",
        "relations.csv",
    }
    assert "700" in text
    text = invoke(
        "generate", tmp_path / "untagged", "--users", 30, "--items", 100, "--ratings", 700, "--tags", 0
    )
    assert "0 tags" in text
    assert "no tags.csv" in text
    assert not (tmp_path / "untagged" / "tags.csv").exists()


def test_generate_like_takes_sizes_given_beside_it(tmp_path: Path) -> None:
    sizes = ("--users", 30, "--items", 300, "--ratings", 700)
    text = invoke("generate", tmp_path / "few", "--like", "ml-1m", "--no-events", *sizes)
    assert "30 users, 300 items, 700 ratings, 0 tags, 0 events" in text
    assert "no tags.csv and no events.csv" in text
    assert not (tmp_path / "few" / "events.csv").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--like", "ml-20m"), "--like takes ml-1m, ml-25m, netflix (given: ml-20m)."),
        (("--like", "ml-1m", "--ratings", 700), "700 ratings do not fit 6040 users"),
    ],
)
def test_generate_refuses_what_does_not_fit(tmp_path: Path, options: tuple[object, ...], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        invoke("generate", tmp_path / "none", *options)
    assert not (tmp_path / "none").exists()
