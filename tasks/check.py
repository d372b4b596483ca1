"""The last look before lists go live: SQL of its own recounts what they promise, against the clean tables.

A new check is one column of a query in `QUERIES` (or a new query there) and one line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb

from tasks.errors import CheckFailedError
from tasks.references import Lists
from tasks.settings import CheckSettings, RecommendSettings
from tasks.warehouse import run_file

QUERIES = (
    "warehouse/91_check_lists.sql",
    "warehouse/92_check_users.sql",
    "warehouse/93_check_strangers.sql",
)
"""Each returns one row; every column is the value of the check of that name."""

Bound = Literal["at least", "at most"]


@dataclass(frozen=True)
class Check:
    """What a value means, what it must keep to, and what to do when it does not."""

    name: str
    meaning: str
    bound: Bound
    limit: Callable[[CheckSettings], float]
    advice: str


@dataclass(frozen=True)
class CheckResult:
    """One row of `run_checks`."""

    check: str
    value: float
    limit: float
    passed: bool


def _none_of(name: str, meaning: str, advice: str) -> Check:
    return Check(name, meaning, "at most", lambda _: 0, advice)


def _some_of(name: str, meaning: str, advice: str) -> Check:
    return Check(name, meaning, "at least", lambda _: 1, advice)


_OUR_BUG = "This is a fault of nightly-recs, not of the data: please report it with the run's folder."
_MODEL_AT_FAULT = "Look at the champion of this run: take it off models.shelf and run again."

CHECKS = (
    _some_of("rows", "recommended items in all", "Look at the input: has every user seen every item?"),
    Check(
        "user_coverage",
        "share of users with an interaction that get a list",
        "at least",
        lambda settings: settings.min_user_coverage,
        "Look at the champion of this run; if so few lists are right, lower check.min_user_coverage.",
    ),
    _some_of("fallback_rows", "items in the fallback list for everybody", "Is any interaction positive?"),
    _none_of("short_lists", "lists shorter than they could be", _MODEL_AT_FAULT),
    _none_of("long_lists", "lists longer than recommend.n, or than all there is for their user", _OUR_BUG),
    _none_of("seen_items", "recommended items that their user knows already", _OUR_BUG),
    _none_of("duplicate_items", "items listed twice in one list", _OUR_BUG),
    _none_of("unknown_items", "listed items that are not in the data", _OUR_BUG),
    _none_of("unknown_users", "lists of users that are not in the data", _OUR_BUG),
    _none_of("similar_to_itself", "items called similar to themselves", _OUR_BUG),
    _none_of("rank_gaps", "rows out of the sequence 1, 2, 3 … of their list", _OUR_BUG),
    _none_of("rising_scores", "rows that score above a better rank", _MODEL_AT_FAULT),
    _none_of("bad_scores", "scores that are missing, NaN or infinite", _MODEL_AT_FAULT),
)


def check_lists(
    con: duckdb.DuckDBPyConnection,
    lists: Lists,
    *,
    as_of: datetime,
    settings: CheckSettings,
    recommend: RecommendSettings,
) -> list[CheckResult]:
    """Measure and judge every check of `CHECKS`, in that order.

    Args:
        con: the warehouse, with the clean tables of sql/warehouse/00_schema.sql.
        lists: what is to be published.
        as_of: only what happened before it counts as seen, and makes a user eligible.
        settings: the limits.
        recommend: what the lists should look like.
    """
    run_file(con, "warehouse/30_interactions.sql")
    run_file(con, "warehouse/90_published_lists.sql", folder=str(lists.folder), as_of=as_of)
    values: dict[str, float] = {}
    for query in QUERIES:
        found = run_file(con, query, n=recommend.n, exclude_seen=recommend.exclude_seen)
        names = [column[0] for column in found.description or ()]
        values |= zip(names, map(float, found.fetchone() or ()), strict=True)
    return [_judge(check, values[check.name], settings) for check in CHECKS]


def first_failure(results: Sequence[CheckResult]) -> CheckFailedError | None:
    """The error of the first failed check: what it saw, the limit, what to do. None if all passed."""
    checks = {check.name: check for check in CHECKS}
    for result in results:
        if not result.passed:
            check = checks[result.check]
            return CheckFailedError(
                f"Check {check.name} failed: {check.meaning}: {result.value:,.6g}, "
                f"but {check.bound} {result.limit:,.6g} is required. The live lists stay as they are.",
                check.advice,
            )
    return None


def _judge(check: Check, value: float, settings: CheckSettings) -> CheckResult:
    limit = check.limit(settings)
    passed = value >= limit if check.bound == "at least" else value <= limit
    return CheckResult(check.name, value, limit, passed)
