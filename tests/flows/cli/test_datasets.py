"""Commands that bring a data set."""

from pathlib import Path

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
