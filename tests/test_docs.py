"""The docs agree with the code: links, checks, and the generated tables of models."""

import re
from pathlib import Path

import pytest

from models.evaluation.metrics import METRICS
from tasks.validation.checks import CHECKS
from tests import docs_tables

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_a_target(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in headings(target), link


def headings(page):
    """Return the anchors of a page, as GitHub makes them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", docs_tables.PAGES)
def test_generated_tables_are_up_to_date(page):
    text = (docs_tables.DOCS / page).read_text(encoding="utf-8")
    current = docs_tables.updated(text, docs_tables.PAGES[page])
    assert text == current, f"docs/{page} is stale: run {docs_tables.COMMAND}"


def test_every_metric_and_check_has_a_row():
    for page, names in (("judging.md", METRICS), ("night.md", [check.name for check in CHECKS])):
        text = (docs_tables.DOCS / page).read_text(encoding="utf-8")
        assert {name for name in names if f"\n| `{name}` |" not in text} == set()


def test_a_page_without_the_comments_of_a_table_is_refused():
    with pytest.raises(ValueError, match="needs the comments `generated: models`"):
        docs_tables.updated("# Models", docs_tables.PAGES["models.md"])


@pytest.mark.parametrize(("write", "status"), [([], 1), (["--write"], 0)])
def test_a_stale_page_is_reported_or_written(tmp_path, monkeypatch, capsys, write, status):
    for page, tables in docs_tables.PAGES.items():
        text = docs_tables.updated((docs_tables.DOCS / page).read_text(encoding="utf-8"), tables)
        (tmp_path / page).write_text(text.replace("| `factors` |", "| `old` |"), encoding="utf-8")
    monkeypatch.setattr(docs_tables, "DOCS", tmp_path)
    assert docs_tables.main(write) == status
    assert (docs_tables.COMMAND in capsys.readouterr().err) == bool(status)
