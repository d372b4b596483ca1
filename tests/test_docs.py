"""The docs agree with the code: links, checks, and the generated tables of models."""

import re
from pathlib import Path

import pytest

from tasks.validation.checks import CHECKS
from tests import docs_tables

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_a_target(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in headings(target), link


def test_every_check_has_a_row_in_the_docs():
    rows = [
        line.split("|")[1]
        for line in (ROOT / "docs" / "night.md").read_text("utf-8").splitlines()
        if "|" in line
    ]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {check.name for check in CHECKS} - listed == set()


def headings(page):
    """Return the anchors of a page, as GitHub makes them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_generated_tables_are_up_to_date():
    text = docs_tables.PAGE.read_text(encoding="utf-8")
    assert text == docs_tables.updated(text), (
        f"docs/models.md is stale: run {docs_tables.COMMAND} (make docs)"
    )


def test_a_page_without_the_comments_of_a_table_is_refused():
    with pytest.raises(ValueError, match="needs the comments `generated: models`"):
        docs_tables.updated("# Models")


@pytest.mark.parametrize(("write", "status"), [([], 1), (["--write"], 0)])
def test_a_stale_page_is_reported_or_written(tmp_path, monkeypatch, capsys, write, status):
    current = docs_tables.updated(docs_tables.PAGE.read_text(encoding="utf-8"))
    page = tmp_path / "models.md"
    page.write_text(current.replace("| `factors` |", "| `old` |"), encoding="utf-8")
    monkeypatch.setattr(docs_tables, "PAGE", page)
    assert docs_tables.main(write) == status
    assert (docs_tables.COMMAND in capsys.readouterr().err) == bool(status)
    assert (page.read_text(encoding="utf-8") == current) == bool(write)
