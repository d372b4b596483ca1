"""What may be asked of tuning: a budget, models, and what is left to search beside an operator's settings."""

import pytest

from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.tuning.tune import budget_seconds, spaces

SHELF = "models.shelf=popularity,item_knn,als"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("2h", 7200), ("1h30m", 5400), (" 90S ", 90), ("0.5h", 1800)]
)
def test_budgets(text, seconds):
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "30", "-5m", "0m", "m", "30m 2", "99999999h"])
def test_no_budget(text):
    with pytest.raises(UsageError, match="is no length of time") as caught:
        budget_seconds(text)
    assert "30m" in caught.value.hint


def test_what_the_operator_set_is_not_searched():
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
def test_nothing_to_tune_is_one_sentence(names, options, message):
    with pytest.raises(UsageError) as caught:
        spaces(names, load_settings(None, options))
    assert str(caught.value).startswith(message)
    assert caught.value.hint
