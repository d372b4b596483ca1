"""The generated tables of metrics and checks in the docs are up to date."""

import pytest

from models.evaluation.metrics import METRICS
from tests import judging_docs


@pytest.mark.parametrize("page", judging_docs.PAGES)
def test_tables_of_metrics_and_checks_are_up_to_date(page: str) -> None:
    text = (judging_docs.DOCS / page).read_text(encoding="utf-8")
    current = judging_docs.updated(text, judging_docs.PAGES[page])
    assert text == current, f"docs/{page} is stale: run {judging_docs.COMMAND}"


def test_every_metric_has_a_row() -> None:
    text = (judging_docs.DOCS / "judging.md").read_text(encoding="utf-8")
    assert {name for name in METRICS if f"\n| `{name}` |" not in text} == set()


def test_page_without_the_comments_of_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the comments `generated: checks`"):
        judging_docs.updated("# A night", judging_docs.PAGES["night.md"])
