"""Requests of tuning: budgets, models, and the fields to search besides an operator's settings."""

import pytest

from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.tuning.tune import budget_seconds, spaces

SHELF = "models.shelf=popularity,item_knn,als"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("2h", 7200), ("1h30m", 5400), (" 90S ", 90), ("0.5h", 1800)]
)
def test_budgets_are_read_in_seconds(text, seconds):
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "30", "-5m", "0m", "m", "30m 2", "99999999h"])
def test_invalid_budgets_are_refused(text):
    with pytest.raises(UsageError, match="is no length of time") as caught:
        budget_seconds(text)
    assert "30m" in caught.value.hint


def test_fields_set_by_the_operator_are_not_searched():
    settings = load_settings(None, (SHELF, "models.als.factors=64"))
    found = spaces([], settings)
    assert list(found) == ["item_knn", "als"]
    assert "factors" not in found["als"]
    assert "alpha" in found["als"]


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["popularity"], (), "The model popularity has nothing to tune."),
        ([], ("models.shelf=popularity",), "No model of the shelf has anything to tune."),
        (
            ["graph_filter"],
            tuple(f"models.graph_filter.{key}=1" for key in ("low_pass", "rank", "user_exponent")),
            "There is nothing left to tune of graph_filter: your settings fix low_pass, rank, user_exponent.",
        ),
    ],
)
def test_models_without_fields_to_search_are_refused(names, options, message):
    with pytest.raises(UsageError) as caught:
        spaces(names, load_settings(None, options))
    assert str(caught.value).startswith(message)
    assert caught.value.hint
