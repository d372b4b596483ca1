"""The last look before lists go live: SQL of its own recounts what they promise, against the clean tables.

A new check is one column of a query in `QUERIES` (or a new query there, or a figure of `vital_signs.py`) and one
line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb
import pyarrow as pa

from tasks.artifacts import CheckResult, Choice, CleanData, Lists
from tasks.config.settings import CheckSettings, RecommendSettings
from tasks.errors import CheckFailedError
from tasks.publication.targets.base import Target
from tasks.recommendation.item_rules import Rules
from tasks.storage.run_records import Run
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file
from tasks.validation import vital_signs

QUERIES = (
    "warehouse/checks/lists.sql",
    "warehouse/checks/users.sql",
    "warehouse/checks/strangers.sql",
    "warehouse/checks/variety.sql",
    "warehouse/checks/live_lists.sql",
    "warehouse/checks/rules.sql",
)
"""Each returns one row; every column is the value of the check of that name."""

TOP = 10
"""How far down its list a user looks: what stands there is compared with the live lists, and user with user."""

Bound = Literal["at least", "at most"]


@dataclass(frozen=True)
class Check:
    """What a value means, what it must keep to (nothing where the limit is None), and what to do when it does not."""

    name: str
    meaning: str
    bound: Bound
    limit: Callable[[CheckSettings], float | None]
    advice: str


def _none_of(name: str, meaning: str, advice: str) -> Check:
    return Check(name, meaning, "at most", lambda _: 0, advice)


def _some_of(name: str, meaning: str, advice: str) -> Check:
    return Check(name, meaning, "at least", lambda _: 1, advice)


_NO_LISTS = pa.table({"user_id": pa.array([], pa.string()), "item_id": pa.array([], pa.string())})
_OUR_BUG = "This is a fault of nightly-recs, not of the data: please report it with the run's folder."
_WITHOUT_IT = "take it off models.shelf (if it is blend: blend.enabled=false)"
_MODEL_AT_FAULT = f"Look at the champion of this run: {_WITHOUT_IT} and run again."
_ONCE = "If so great a change is right, let it pass once: add --set check.{} to the command."

CHECKS = (
    _some_of("rows", "recommended items in all", "Look at the input: has every user seen every item?"),
    Check(
        "user_coverage",
        "share of users with an interaction that get a list, or have met all there is",
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
    _none_of("blocked_items", "listed items that a rule blocks", _OUR_BUG),
    _none_of("wrong_genres", "listed items that the allow-lists of genres leave out", _OUR_BUG),
    _none_of("unknown_users", "lists of users that are not in the data", _OUR_BUG),
    _none_of("similar_to_itself", "items called similar to themselves", _OUR_BUG),
    _none_of("rank_gaps", "rows out of the sequence 1, 2, 3 … of their list", _OUR_BUG),
    _none_of("rising_scores", "rows that score above a better rank", _MODEL_AT_FAULT),
    _none_of("bad_scores", "scores that are missing, NaN or infinite", _MODEL_AT_FAULT),
    Check(
        "rejected_rows",
        "share of the rows of one source that were rejected",
        "at most",
        lambda settings: settings.max_rejected_rows,
        "Look at the quarantine (docs/night.md says how). If so many are right, raise check.max_rejected_rows.",
    ),
    Check(
        "input_age_days",
        "days from the newest interaction to the start of the night",
        "at most",
        lambda settings: settings.max_input_age_days or None,
        "Are the deliveries late? check.max_input_age_days says how late they may be, 0 that it does not matter.",
    ),
    Check(
        "days_behind_live",
        "days by which the newest interaction is older than that of the live lists",
        "at most",
        lambda settings: settings.max_days_behind,
        "Was an old file delivered again? If it is right, switch with --force.",
    ),
    Check(
        "lost_users",
        "share of the users with a live list that get none tonight",
        "at most",
        lambda settings: settings.max_lost_users,
        f"Is the input complete? {_ONCE.format('max_lost_users=1')}",
    ),
    Check(
        "overlap",
        f"share of the first {TOP} items of a list that it shares with the user's live one, on average",
        "at least",
        lambda settings: settings.min_overlap,
        f"Do the ids of users and items mean what they meant last night? {_ONCE.format('min_overlap=0')}",
    ),
    Check(
        "catalogue_coverage",
        "share of the items that anybody met that stand in some list",
        "at least",
        lambda settings: settings.min_catalogue_coverage,
        f"{_MODEL_AT_FAULT} If so few are right, lower check.min_catalogue_coverage.",
    ),
    Check(
        "sameness",
        f"share of those who could have an item among their first {TOP} who do have it, on average",
        "at most",
        lambda settings: settings.max_sameness,
        f"Nearly everybody gets the same list. {_MODEL_AT_FAULT}",
    ),
    Check(
        "champion_above_popularity",
        "how far the champion is above popularity on the select half, at best",
        "at least",
        lambda _: 0,
        f"The champion is certainly worse. Are the newest interactions right? If so, {_WITHOUT_IT}.",
    ),
    Check(
        "quality",
        "the champion's metric on the select half, at best, as a share of the median of the last nights' champions",
        "at least",
        lambda settings: 1 - settings.max_quality_drop,
        f"Are the newest interactions right? {_ONCE.format('max_quality_drop=1')}",
    ),
)


def check_lists(
    con: duckdb.DuckDBPyConnection,
    lists: Lists,
    *,
    as_of: datetime,
    settings: CheckSettings,
    recommend: RecommendSettings,
    vital_signs: Mapping[str, float | None],
    live: pa.Table | None = None,
    rules: Rules = (),
) -> list[CheckResult]:
    """Measure and judge every check of `CHECKS`, in that order.

    Args:
        con: the warehouse, with the clean tables of sql/warehouse/schema.sql.
        lists: what is to be published.
        as_of: only what happened before it counts as seen, and makes a user eligible.
        settings: the limits.
        recommend: what the lists should look like.
        vital_signs: the values of those checks that are not about the lists.
        live: (user_id, item_id), the first `TOP` rows of each list that is live; None where there is nothing to
            compare with.
        rules: of single items, that the lists were made by.
    """
    run_file(con, "warehouse/split/interactions.sql")
    run_file(con, "warehouse/checks/published_lists.sql", folder=str(lists.folder), as_of=as_of)
    con.register("tops_of_live_lists", live if live is not None else _NO_LISTS)
    con.execute("create or replace temp table live_lists as from tops_of_live_lists")
    con.unregister("tops_of_live_lists")
    ruled = {kind: [str(rule.item_id) for rule in rules if rule.rule == kind] for kind in ("block", "pin")}
    run_file(
        con,
        "warehouse/checks/item_status.sql",
        blocked=ruled["block"],
        pinned=ruled["pin"],
        genres=list(recommend.genres),
        without_genres=list(recommend.without_genres),
    )
    values = dict(vital_signs)
    for query in QUERIES:
        found = run_file(
            con,
            query,
            n=recommend.n,
            exclude_seen=recommend.exclude_seen,
            top=min(TOP, recommend.n),
            min_users=settings.min_users,
        )
        names = [column[0] for column in found.description or ()]
        values |= dict(zip(names, found.fetchone() or (), strict=True))
    return [_judge(check, values[check.name], settings) for check in CHECKS]


def _in_short(results: tuple[CheckResult, ...]) -> str:
    failed = [result.check for result in results if not result.passed]
    return f"failed: {', '.join(failed)}" if failed else f"all {len(results)} passed"


@stage("check", stored=False, note=_in_short)
def check(
    con: duckdb.DuckDBPyConnection,
    target: Target,
    lists: Lists,
    data: CleanData,
    choice: Choice | None,
    record: Run,
    runs: Sequence[Run],
    *,
    as_of: datetime,
    settings: CheckSettings,
    recommend: RecommendSettings,
    min_users: int,
    live: Run | None,
    compare_lists: bool,
    rules: Rules,
) -> tuple[CheckResult, ...]:
    """Check the lists against the clean tables and the live lists, by SQL of its own, and the night against others.

    Args:
        con: the warehouse.
        target: the serving database.
        lists: what is to be published.
        data: the clean tables.
        choice: how the champion was judged; None if nobody was, and then quality does not matter.
        record: the record of this night.
        runs: those of all nights of the home.
        as_of: end of the data, exclusive, UTC.
        settings: the limits.
        recommend: what the lists should look like.
        min_users: with fewer judged users nothing is said about quality.
        live: the live run; None if tonight's data may be older than its.
        compare_lists: whether the lists should resemble the live ones.
        rules: of single items, that the lists were made by.

    Returns:
        The result of every check, in the order of `CHECKS`.
    """
    intake = vital_signs.of_intake(data, record, live)
    judging = vital_signs.of_judging(choice, record, runs, min_users=min_users)
    return tuple(
        check_lists(
            con,
            lists,
            as_of=as_of,
            settings=settings,
            recommend=recommend,
            vital_signs=intake | judging,
            live=target.live_tops(TOP) if compare_lists else None,
            rules=rules,
        )
    )


def first_failure(results: Sequence[CheckResult], stay: str = "") -> CheckFailedError | None:
    """The error of the first failed check: what it saw, the limit, what to do. None if all passed.

    `stay` says what readers have instead.
    """
    checks = {check.name: check for check in CHECKS}
    failed = [result for result in results if not result.passed]
    if not failed:
        return None
    first, check = failed[0], checks[failed[0].check]
    others = [
        f"{each.check} ({_figure(each.value)}, {checks[each.check].bound} {_figure(each.limit)})"
        for each in failed[1:]
    ]
    also = f" Failed as well: {', '.join(others)}." if others else ""
    return CheckFailedError(
        f"Check {check.name} failed: {check.meaning}: {_figure(first.value)}, "
        f"but {check.bound} {_figure(first.limit)} is required.{also} {stay}".rstrip(),
        check.advice,
    )


def _figure(value: float | None) -> str:
    """With as many digits as a person wants to read."""
    if value is None:
        return "nothing"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def _judge(check: Check, value: float | None, settings: CheckSettings) -> CheckResult:
    limit = check.limit(settings)
    if value is None or limit is None:
        return CheckResult(check.name, value, limit, passed=True)
    passed = value >= limit if check.bound == "at least" else value <= limit
    return CheckResult(check.name, float(value), float(limit), passed)
