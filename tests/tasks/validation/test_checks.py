"""Every check passes good lists and fails on the one fault that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.config.settings import CheckSettings, RecommendSettings
from tasks.monitoring.drift_figures import DISTRIBUTIONS
from tasks.validation.checks import CHECKS, check_lists, first_failure
from tests.examples import examples
from tests.tasks.logs import AS_OF, Log, make_clean_tables
from tests.tasks.publication.published_lists import write_lists

Rows = dict[str, list[tuple]]
N = 4
RECOMMEND = RecommendSettings(n=N)
HEALTHY: dict[str, float | None] = {
    "rejected_rows": 0.0,
    "input_age_days": 400.0,
    "days_behind_live": None,
    "lost_rows": None,
    "champion_above_popularity": None,
    "quality": None,
    **{f"drift_{measure}": None for measure in DISTRIBUTIONS},
}

# Users 1 to 3 know items 1 to 3 in part; user 4 knows everything; user 5 comes only after as_of.
LOG = Log(
    ratings=[(1, 1, 4.0, 1), (2, 2, 4.0, 2), (2, 3, 1.0, 3), (3, 1, 5.0, 4), (5, 8, 4.0, 200)],
    tags=[(3, 3, "noir", 5)],
    events=[(4, item, "like", 1.0, 6) for item in range(1, 9)],
    items=[(item, f"Film {item}", ["Drama"] if item < 10 else []) for item in range(1, 11)],
)


def good_rows() -> Rows:
    """Return the lists that a night should make of LOG, of N items each."""
    seen = {1: {1}, 2: {2, 3}, 3: {1, 3}}
    unseen = {user: [item for item in range(1, 9) if item not in known] for user, known in seen.items()}
    return {
        "recommendations": [
            (user, rank, item, 1 / rank, "popularity", 1 / rank, None)
            for user, items in unseen.items()
            for rank, item in enumerate(items[:N], 1)
        ],
        "similar_items": [(1, 1, 2, 0.5), (1, 2, 3, 0.5), (2, 1, 1, 0.9)],
        "fallback_recommendations": [("all", item, item, 1 / item) for item in range(1, 9)],
        "items": [(item, None, None) for item in range(1, 9)],
    }


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    make_clean_tables(connection, LOG)
    return connection


def failures(
    con: duckdb.DuckDBPyConnection, folder: Path, rows: Rows, *, n: int = N, **limits: float
) -> set[str]:
    lists = write_lists(folder, **rows)
    recommend = RecommendSettings(n=n)
    results = check_lists(
        con, lists, as_of=AS_OF, settings=CheckSettings(**limits), recommend=recommend, figures=HEALTHY
    )
    assert [result.check for result in results] == [check.name for check in CHECKS]
    return {result.check for result in results if not result.passed}


def test_good_lists_pass_every_check(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert failures(con, tmp_path, good_rows()) == set()


@pytest.mark.parametrize(
    ("link", "listed", "caught"),
    [
        ((6, 1, 1.0, 10), True, set()),
        ((1, 6, 1.0, None), True, set()),
        ((6, 1, 1.0, 10), False, {"user_coverage"}),
        ((6, 1, 1.0, 200), True, {"unknown_users"}),
        ((6, 5, 1.0, 10), True, {"unknown_users"}),
    ],
    ids=["linked", "linked from", "without a list", "linked after as_of", "linked with a stranger"],
)
def test_users_with_a_link_have_a_list(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, link: tuple, listed: bool, caught: set[str]
) -> None:
    make_clean_tables(con, replace(LOG, links=[link], directed=True))
    rows = good_rows()
    if listed:
        rows["recommendations"] += [(6, rank, rank, 1 / rank, "als", None, None) for rank in range(1, N + 1)]
    assert failures(con, tmp_path, rows) == caught


def lose_a_user(rows: Rows) -> None:
    rows["recommendations"] = [row for row in rows["recommendations"] if row[0] != 2]


def lose_everything(rows: Rows) -> None:
    rows["recommendations"] = []


def lose_the_fallback(rows: Rows) -> None:
    rows["fallback_recommendations"] = [("Drama", *row[1:]) for row in rows["fallback_recommendations"]]


def shorten(rows: Rows) -> None:
    rows["recommendations"].pop()


def lengthen(rows: Rows) -> None:
    rows["recommendations"].append((3, N + 1, 7, 0.01, "als", None, None))


def recommend_a_seen_item(rows: Rows) -> None:
    rows["recommendations"][0] = (1, 1, 1, 1.0, "als", None, None)


def repeat_an_item(rows: Rows) -> None:
    rows["recommendations"][1] = (1, 2, rows["recommendations"][0][2], 0.5, "als", None, None)


def invent_an_item(rows: Rows) -> None:
    rows["similar_items"][0] = (1, 1, 77, 0.5)


def list_a_future_user(rows: Rows) -> None:
    rows["recommendations"] += [(5, rank, rank, 1 / rank, "als", None, None) for rank in range(1, N + 1)]


def list_an_undescribed_untouched_item(rows: Rows) -> None:
    rows["recommendations"] += [(4, 1, 9, 1.0, "content", None, None), (4, 2, 10, 0.5, "content", None, None)]


def skip_a_rank(rows: Rows) -> None:
    rows["similar_items"][1] = (1, 3, 3, 0.5)


def raise_a_score(rows: Rows) -> None:
    rows["fallback_recommendations"][3] = ("all", 4, 4, 9.0)


def spoil_a_score(rows: Rows) -> None:
    rows["recommendations"][-1] = (*rows["recommendations"][-1][:3], float("-inf"), "als", None, None)


def liken_an_item_to_itself(rows: Rows) -> None:
    rows["similar_items"][2] = (2, 1, 2, 0.9)


@pytest.mark.parametrize(
    ("spoil", "caught"),
    [
        (lose_a_user, {"user_coverage"}),
        (lose_everything, {"rows", "user_coverage"}),
        (lose_the_fallback, {"fallback_rows"}),
        (shorten, {"short_lists"}),
        (lengthen, {"long_lists"}),
        (recommend_a_seen_item, {"seen_items"}),
        (repeat_an_item, {"duplicate_items"}),
        (invent_an_item, {"unknown_items"}),
        (list_a_future_user, {"unknown_users"}),
        (list_an_undescribed_untouched_item, {"long_lists"}),
        (skip_a_rank, {"rank_gaps"}),
        (raise_a_score, {"rising_scores"}),
        (spoil_a_score, {"bad_scores"}),
        (liken_an_item_to_itself, {"similar_to_itself"}),
    ],
)
def test_each_fault_is_caught_by_its_check(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, spoil: Callable[[Rows], None], caught: set[str]
) -> None:
    rows = good_rows()
    spoil(rows)
    assert failures(con, tmp_path, rows) == caught


def test_untouched_items_with_genres_may_be_listed(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = good_rows()
    rows["recommendations"].append((4, 1, 9, 1.0, "content", None, None))
    rows["similar_items"] += [(9, 1, 2, 0.4), (3, 1, 9, 0.4)]
    assert failures(con, tmp_path, rows) == set()


def test_user_coverage_may_be_limited_below_one(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = good_rows()
    lose_a_user(rows)
    assert failures(con, tmp_path, rows, min_user_coverage=0.75) == set()
    assert failures(con, tmp_path, rows, min_user_coverage=0.76) == {"user_coverage"}


@pytest.mark.parametrize("fallback_n", [1, 10])
@pytest.mark.parametrize(
    ("listed", "length", "caught"),
    [
        (10, 9, set()),
        (5, 9, {"user_coverage"}),
        (10, 8, {"short_lists"}),
        (5, 1, {"user_coverage", "short_lists"}),
    ],
)
def test_owed_length_depends_on_the_interactions_alone(
    con: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    fallback_n: int,
    listed: int,
    length: int,
    caught: set[str],
) -> None:
    """Ten users know item 0 and one of ten more, so nine are left to each; interactions after as_of do not count."""
    views = [(user, item, "view", 1.0, 1) for user in range(1, 11) for item in (0, user)]
    make_clean_tables(con, Log(events=[*views, (1, 11, "view", 1.0, 200)]))
    rows: Rows = {
        "recommendations": [
            (user, rank, (user + rank - 1) % 10 + 1, -float(rank), "als", None, None)
            for user in range(1, listed + 1)
            for rank in range(1, length + 1)
        ],
        "similar_items": [],
        "fallback_recommendations": [
            ("all", rank, rank - 1, -float(rank)) for rank in range(1, fallback_n + 1)
        ],
        "items": [],
    }
    assert failures(con, tmp_path, rows, n=10) == caught


def test_seen_items_pass_when_they_are_not_excluded(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = good_rows()
    full = [(4, rank, rank, 1 / rank, "popularity", None, None) for rank in range(1, N + 1)]
    rows["recommendations"] += full
    lists = write_lists(tmp_path, **rows)
    with_seen = RecommendSettings(n=N, exclude_seen=False)
    results = check_lists(
        con, lists, as_of=AS_OF, settings=CheckSettings(), recommend=with_seen, figures=HEALTHY
    )
    assert first_failure(results) is None


def test_failure_names_value_limit_and_advice(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = good_rows()
    lose_a_user(rows)
    lists = write_lists(tmp_path, **rows)
    results = check_lists(
        con, lists, as_of=AS_OF, settings=CheckSettings(), recommend=RECOMMEND, figures=HEALTHY
    )
    failure = first_failure(results, "Run 7 stays live.")
    assert failure is not None
    assert str(failure).endswith("is required. Run 7 stays live.")
    assert failure.exit_code == 3
    assert "user_coverage" in str(failure)
    assert "0.75" in str(failure)
    assert "at least 1" in str(failure)
    assert "min_user_coverage" in failure.hint


@settings(max_examples=examples(25))
@given(log=st.sets(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1), n=st.integers(1, 8))
def test_correct_lists_pass_on_any_data(
    tmp_path_factory: pytest.TempPathFactory, log: set[tuple[int, int]], n: int
) -> None:
    con = duckdb.connect()
    make_clean_tables(con, Log(ratings=[(user, item, 4.0, 1) for user, item in log]))
    items = sorted({item for _, item in log})
    rows = {
        "recommendations": [
            (user, rank, item, -float(rank), "als", None, None)
            for user in sorted({user for user, _ in log})
            for rank, item in enumerate([i for i in items if (user, i) not in log][:n], 1)
        ],
        "similar_items": [],
        "fallback_recommendations": [("all", rank, item, -float(rank)) for rank, item in enumerate(items, 1)],
        "items": [(item, None, None) for item in items],
    }
    lists = write_lists(tmp_path_factory.mktemp("lists"), **rows)
    results = check_lists(
        con,
        lists,
        as_of=AS_OF,
        settings=CheckSettings(),
        recommend=RecommendSettings(n=n),
        figures=HEALTHY,
    )
    failed = [result.check for result in results if not result.passed]
    assert failed == ([] if rows["recommendations"] else ["rows"])


def everybody(n_users: int, n_items: int = 100, *, by: str = "als", shift: int = 0) -> tuple[Log, Rows]:
    """Make users who each know one item, and whose list is the four items after `shift` times the user's number."""
    log = Log(events=[(user, user % n_items, "view", 1.0, 1) for user in range(n_users)])
    rows: Rows = {
        "recommendations": [
            (user, rank, (n_items // 2 + shift * user + rank) % n_items, -float(rank), by, None, None)
            for user in range(n_users)
            for rank in range(1, N + 1)
        ],
        "similar_items": [],
        "fallback_recommendations": [("all", 1, 1, 1.0)],
        "items": [],
    }
    return log, rows


def value_of(
    con: duckdb.DuckDBPyConnection, folder: Path, rows: Rows, check: str, *, live: pa.Table | None = None
) -> float | None:
    results = check_lists(
        con,
        write_lists(folder, **rows),
        as_of=AS_OF,
        settings=CheckSettings(),
        recommend=RECOMMEND,
        figures=HEALTHY,
        live=live,
    )
    return next(result.value for result in results if result.check == check)


def test_sameness_is_one_for_equal_lists_and_lower_otherwise(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for shift, by, sameness in (
        (0, "als", pytest.approx(1, rel=0.02)),
        (1, "als", pytest.approx(4 / 99)),  # an item is in four lists, and one of a hundred users knows it
        (0, "popularity", None),
    ):
        log, rows = everybody(100, by=by, shift=shift)
        make_clean_tables(con, log)
        assert value_of(con, tmp_path, rows, "sameness") == sameness
    log, rows = everybody(29)
    assert value_of(con, tmp_path, rows, "sameness") is None, "29 users are too few to tell"
    log, rows = everybody(100, 12)
    make_clean_tables(con, log)
    assert value_of(con, tmp_path, rows, "sameness") is None, (
        "of eleven items a list of four leaves no choice"
    )


@pytest.mark.parametrize(("n_items", "is_known"), [(13, True), (12, False)])
def test_sameness_needs_three_times_the_top_of_unseen_items(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, n_items: int, is_known: bool
) -> None:
    """The top of a list of four is four items; each of a hundred users knows one item."""
    make_clean_tables(con, Log(events=[(user, user % n_items, "view", 1.0, 1) for user in range(100)]))
    _, rows = everybody(100, n_items)
    assert (value_of(con, tmp_path, rows, "sameness") is not None) == is_known


def test_catalogue_coverage_counts_the_items_of_all_lists(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for shift, coverage in ((0, 0.04), (1, 1.0)):
        log, rows = everybody(100, shift=shift)
        make_clean_tables(con, log)
        assert value_of(con, tmp_path, rows, "catalogue_coverage") == pytest.approx(coverage)


def live_lists(rows: Rows) -> pa.Table:
    user, _, item, *_ = zip(*rows["recommendations"], strict=True)
    return pa.table({"user_id": user, "item_id": item})


def test_live_lists_are_compared_user_by_user(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log, rows = everybody(50)
    make_clean_tables(con, log)
    live = live_lists(rows)
    rows["recommendations"] = [
        (user, rank, item + 2 if rank > 2 else item, *rest)
        for user, rank, item, *rest in rows["recommendations"]
        if user >= 5
    ]
    assert value_of(con, tmp_path, rows, "overlap", live=live) == pytest.approx(0.5)
    assert value_of(con, tmp_path, rows, "lost_users", live=live) == pytest.approx(0.1)
    rows["recommendations"] = [row for row in rows["recommendations"] if row[0] >= 30]
    assert value_of(con, tmp_path, rows, "overlap", live=live) is None, "of 20 users in both"
    assert value_of(con, tmp_path, rows, "lost_users", live=live) == pytest.approx(0.6)
    for name in ("overlap", "lost_users"):
        assert value_of(con, tmp_path, rows, name) is None, "a first night has nothing to compare with"


def test_advice_to_drop_the_champion_covers_the_blend() -> None:
    shelved = [check for check in CHECKS if "models.shelf" in check.advice]
    assert {"sameness", "champion_above_popularity"} < {check.name for check in shelved}
    assert [check.name for check in shelved if "blend.enabled=false" not in check.advice] == []


def test_failure_names_all_failed_checks(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    results = check_lists(
        con,
        write_lists(tmp_path, **good_rows()),
        as_of=AS_OF,
        settings=CheckSettings(max_input_age_days=30, max_rejected_rows=0.02),
        recommend=RECOMMEND,
        figures=HEALTHY | {"rejected_rows": 0.03, "quality": 0.5},
    )
    failure = first_failure(results)
    assert failure is not None
    assert str(failure).startswith("Check rejected_rows failed: ")
    assert "Failed as well: input_age_days (400, at most 30), quality (0.5, at least 0.7)." in str(failure)


@pytest.mark.parametrize(
    ("catalogue", "least", "caught"),
    [
        ([], 0.01, set()),
        ([(item, None, []) for item in range(1, 9)], 1.0, set()),
        ([(1, None, []), (77, None, [])], 0.125, set()),
        ([(1, None, []), (77, None, [])], 0.13, {"known_items"}),
        ([(77, None, [])], 0.01, {"known_items"}),
        ([(77, None, [])], 0.0, set()),
    ],
    ids=["no catalogue", "knows all", "knows enough", "knows too few", "knows none", "off"],
)
def test_a_catalogue_must_know_the_items(
    con: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    catalogue: list[tuple[object, ...]],
    least: float,
    caught: set[str],
) -> None:
    con.execute("delete from items")
    for row in catalogue:
        con.execute("insert into items values (?, ?, ?, map {})", row)
    lists = write_lists(tmp_path, **good_rows())
    results = check_lists(
        con,
        lists,
        as_of=AS_OF,
        settings=CheckSettings(min_known_items=least),
        recommend=RECOMMEND,
        figures=HEALTHY,
    )
    assert {result.check for result in results if not result.passed} & {"known_items"} == caught
