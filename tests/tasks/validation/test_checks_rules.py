"""Lists are checked against the rules of single items and the allow-lists of genres."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tasks.config.settings import CheckSettings, RecommendSettings
from tasks.recommendation.item_rules import Rule
from tasks.validation.checks import check_lists
from tests.tasks.logs import AS_OF, make_clean_tables
from tests.tasks.publication.published_lists import write_lists
from tests.tasks.validation.test_checks import HEALTHY, LOG, N, good_rows


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    make_clean_tables(connection, LOG)
    return connection


@pytest.mark.parametrize(
    ("rules", "genres", "caught"),
    [
        ([("block", 4)], {}, {"blocked_items"}),
        ([("pin", 4), ("boost", 5)], {}, set()),
        ([], {"genres": ("Drama",)}, set()),
        ([], {"without_genres": ("Drama",)}, {"wrong_genres", "long_lists"}),
        ([("pin", item) for item in range(1, 9)], {"without_genres": ("Drama",)}, set()),
    ],
)
def test_lists_keep_to_item_rules_and_genre_lists(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, rules: list, genres: dict, caught: set[str]
) -> None:
    lists = write_lists(tmp_path, **good_rows())
    results = check_lists(
        con,
        lists,
        as_of=AS_OF,
        settings=CheckSettings(),
        recommend=RecommendSettings(n=N, **genres),
        figures=HEALTHY,
        rules=tuple(Rule(kind, item, None, 1.0 if kind == "boost" else None) for kind, item in rules),
    )
    assert {result.check for result in results if not result.passed} == caught


def test_items_similar_to_a_blocked_one_are_counted(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = {**good_rows(), "recommendations": [], "fallback_recommendations": []}
    rows["similar_items"] = [(1, 1, 2, 0.5), (1, 2, 3, 0.5)]
    lists = write_lists(tmp_path, **rows)
    blocked = (Rule("block", 1, None, None),)
    recommend = RecommendSettings(n=N)
    found = check_lists(
        con,
        lists,
        as_of=AS_OF,
        settings=CheckSettings(),
        recommend=recommend,
        figures=HEALTHY,
        rules=blocked,
    )
    assert {result.check: result.value for result in found}["blocked_items"] == 2
