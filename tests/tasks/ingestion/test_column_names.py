from pathlib import Path

import pytest

from tasks.ingestion.column_names import suggested_settings

OURS = {"user_id": "userId", "item_id": "movieId", "rating": "rating", "timestamp": "timestamp"}


def suggested(*present: str) -> list[str]:
    """Return the suggested lines for a file with these columns and none of ours."""
    hint = suggested_settings(Path("r.csv"), "ratings", set(OURS.values()), present, OURS)
    return hint.splitlines()[2:6]


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (
            ["Who", "what", "stars", "created_at"],
            ['user = "Who"', 'item = "what"', 'rating = "stars"', 'timestamp = "created_at"'],
        ),
        (
            ["user_item", "n"],
            ['user = "user_item"', 'item = "…"', 'rating = "…"', 'timestamp = ""  # if there are no times'],
        ),
    ],
    ids=["synonyms", "no column twice"],
)
def test_columns_are_guessed_by_their_names(present: list[str], expected: list[str]) -> None:
    assert suggested(*present) == expected
