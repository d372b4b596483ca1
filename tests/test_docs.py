"""What the docs list is what there is."""

import re
from pathlib import Path

import pytest

from models.registry import RECOMMENDERS, config_class, recommender_class
from tasks.validation.checks import CHECKS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODELS = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
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
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {check.name for check in CHECKS} - told == set()


def headings(page):
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_every_model_has_a_row_with_its_matrix_and_all_its_settings(name):
    table = MODELS[: MODELS.index("\n\n", MODELS.index("| name |"))].splitlines()
    rows = {line.split("`")[1]: line.split("|") for line in table if line.startswith("| `")}
    _, _, _, trained_on, settings, _ = rows[name]
    if "the same, and" in settings:
        settings += rows["item_knn"][4]
    fields = set(config_class(name).model_fields) - {"matrix"}
    assert {field for field in fields if f"`{field}`" not in settings} == set()
    assert recommender_class(name).matrix in trained_on
