"""Check the lists before they go live: SQL recounts what they promise, from the clean tables and the live lists.

A check is one entry of `CHECKS`: what is measured, the limit, and what to do when it fails. It measures by a SQL
expression over one of the relations that the files of sql/warehouse/checks/ make, or by a Python function of the
night's records. Its row in docs/night.md is written from the entry by `make docs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from tasks.artifacts import CheckResult, Lists
from tasks.config.settings import CheckSettings, RecommendSettings
from tasks.errors import CheckFailedError
from tasks.preparation.time_windows import order_by_time
from tasks.publication.targets.base import Target
from tasks.recommendation.item_rules import Rules
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file
from tasks.validation.check_entry import Check, Sql
from tasks.validation.drift_checks import DRIFT_CHECKS
from tasks.validation.earlier_seen import EarlierSeen, make_relisted
from tasks.validation.night_figures import (
    LEAST_ROWS,
    NIGHTS,
    CheckedNight,
    champion_above_popularity,
    days_behind_live,
    input_age_days,
    lost_rows,
    lost_rows_in_words,
    quality,
    rejected_rows,
)

TOP = 10
"""The first ranks of a list, which a user looks at: these are compared with the live lists, and user with user."""

_OUR_BUG = "This is a fault of nightly-recs, not of the data: please report it with the run's folder."
_WITHOUT_IT = "take it off models.shelf (blend: blend.enabled=false; two_stage: ranking.enabled=false)"
_MODEL_AT_FAULT = f"Look at the champion of this run: {_WITHOUT_IT} and run again."
_ONCE = "If so great a change is right, let it pass once: add --set check.{} to the command."

CHECKS = (
    Check(
        name="rows",
        meaning="recommended items in all",
        value=Sql("count(*)", "published_recommendations"),
        bound="at least",
        limit=1,
        advice="Look at the input: has every user seen every item?",
    ),
    Check(
        name="user_coverage",
        meaning="share of users with an interaction, or linked to such, that get a list or have met all there is",
        value=Sql(
            "coalesce(avg((given > 0 or owed = 0)::double) filter (not is_unknown), 1)",
            "user_lists",
        ),
        bound="at least",
        setting="min_user_coverage",
        advice="Look at the champion of this run; if so few lists are right, lower check.min_user_coverage.",
    ),
    Check(
        name="fallback_rows",
        meaning="items in the fallback list for everybody",
        value=Sql("count(*) filter (segment = 'all')", "published_fallback"),
        bound="at least",
        limit=1,
        advice="Is any interaction positive?",
    ),
    Check(
        name="short_lists",
        meaning="lists shorter than they could be",
        value=Sql("count(*) filter (given between 1 and owed - 1)", "user_lists"),
        advice=_MODEL_AT_FAULT,
    ),
    Check(
        name="long_lists",
        meaning="lists longer than recommend.n, or than all there is for their user",
        value=Sql("count(*) filter (given > at_most)", "user_lists"),
        advice=_OUR_BUG,
    ),
    Check(
        name="seen_items",
        meaning="recommended items that their user knows already",
        value=Sql("coalesce(sum(seen_items), 0)", "user_lists"),
        advice=_OUR_BUG,
    ),
    Check(
        name="duplicate_items",
        meaning="items listed twice in one list",
        value=Sql("count(*) filter (is_repeated)", "list_rows"),
        advice=_OUR_BUG,
    ),
    Check(
        name="unknown_items",
        meaning="listed items that are not in the data",
        value=Sql("count(*) filter (is_unknown)", "list_rows"),
        advice=_OUR_BUG,
    ),
    Check(
        name="known_items",
        meaning="share of the items with an interaction that the catalogue has",
        value=Sql(
            "case when bool_or(is_in_catalogue) then avg(is_in_catalogue::integer) filter (is_touched) end",
            "item_status",
        ),
        bound="at least",
        setting="min_known_items",
        of_setting=lambda share: share or None,
        advice="Are the ids of the catalogue those of the interactions? Without a match, lists have no titles. "
        "If so few are right, lower check.min_known_items.",
        note="null without a catalogue",
    ),
    Check(
        name="blocked_items",
        meaning="listed items that a rule blocks",
        value=Sql("count(*) filter (is_blocked) + count(*) filter (is_about_blocked)", "list_rows"),
        advice=_OUR_BUG,
        note="lists of items similar to a blocked one count, too",
    ),
    Check(
        name="wrong_genres",
        meaning="listed items that the allow-lists of genres leave out",
        value=Sql("count(*) filter (not is_allowed and not is_pinned)", "list_rows"),
        advice=_OUR_BUG,
    ),
    Check(
        name="unknown_users",
        meaning="lists of users that are not in the data",
        value=Sql("count(*) filter (is_unknown)", "user_lists"),
        advice=_OUR_BUG,
    ),
    Check(
        name="similar_to_itself",
        meaning="items called similar to themselves",
        value=Sql("count(*) filter (item_id = similar_item_id)", "published_similar_items"),
        advice=_OUR_BUG,
    ),
    Check(
        name="rank_gaps",
        meaning="rows out of the sequence 1, 2, 3 … of their list",
        value=Sql("count(*) filter (not is_in_place)", "list_rows"),
        advice=_OUR_BUG,
    ),
    Check(
        name="rising_scores",
        meaning="rows that score above a better rank",
        value=Sql("count(*) filter (is_above_better_rank)", "list_rows"),
        advice=_MODEL_AT_FAULT,
    ),
    Check(
        name="bad_scores",
        meaning="scores that are missing, NaN or infinite",
        value=Sql("count(*) filter (score is null or not isfinite(score))", "list_rows"),
        advice=_MODEL_AT_FAULT,
    ),
    Check(
        name="rejected_rows",
        meaning="share of the rows of one source that were rejected",
        value=rejected_rows,
        setting="max_rejected_rows",
        advice="Look at the quarantine (docs/night.md says how). If so many are right, raise check.max_rejected_rows.",
        note="of the worst source; `data.max_reject_share` stops a night earlier, before anything is computed",
    ),
    Check(
        name="input_age_days",
        meaning="days from the newest interaction to the start of the night",
        value=input_age_days,
        setting="max_input_age_days",
        of_setting=lambda days: days or None,
        advice="Are the deliveries late? check.max_input_age_days says how late they may be, "
        "0 that it does not matter.",
        note="set it where data come on a schedule",
    ),
    Check(
        name="days_behind_live",
        meaning="days by which the newest interaction is older than that of the live lists",
        value=days_behind_live,
        setting="max_days_behind",
        advice="Was an old file delivered again? If it is right, switch with --force.",
        note="null with `--as-of` or `--force`; not 0, because the newest interaction may be of a user who was deleted",
    ),
    Check(
        name="lost_rows",
        meaning="greatest share of its rows, or of its pairs of user and item, that one source lost since the live run",
        value=lost_rows,
        setting="max_lost_rows",
        detail=lost_rows_in_words,
        advice="Is the export complete? Deliver that source again and run again. "
        f"{_ONCE.format('max_lost_rows=1 --set check.max_relisted_seen=1')}",
        note=f"rows after cleaning; of a source with fewer than {LEAST_ROWS} rows only that it vanished counts",
    ),
    Check(
        name="relisted_seen",
        meaning="share of the recommended items that their user had seen by the live run's data",
        value=Sql("seen_rows / nullif(rows, 0)", "relisted"),
        setting="max_relisted_seen",
        detail="format('{:,} of {:,} rows, of {:,} users', seen_rows, rows, users)",
        advice="Are interactions missing in tonight's data? Deliver them again and run again. "
        f"{_ONCE.format('max_relisted_seen=1')}",
        note="not 0, because a rating may be withdrawn; null where the live lists are of newer data",
    ),
    Check(
        name="lost_users",
        meaning="share of the users with a live list that get none tonight",
        value=Sql("lost_users", "live_comparison"),
        setting="max_lost_users",
        advice=f"Is the input complete? {_ONCE.format('max_lost_users=1')}",
    ),
    Check(
        name="overlap",
        meaning=f"share of the first {TOP} items of a list that it shares with the user's live one, on average",
        value=Sql("overlap", "live_comparison"),
        bound="at least",
        setting="min_overlap",
        advice=f"Do the ids of users and items mean what they meant last night? {_ONCE.format('min_overlap=0')}",
    ),
    Check(
        name="catalogue_coverage",
        meaning="share of the items with an interaction that are on some list",
        value=Sql("catalogue_coverage", "variety"),
        bound="at least",
        setting="min_catalogue_coverage",
        advice=f"{_MODEL_AT_FAULT} If so few are right, lower check.min_catalogue_coverage.",
    ),
    Check(
        name="sameness",
        meaning=f"mean share of eligible users whose first {TOP} items hold the item",
        value=Sql("sameness", "variety"),
        setting="max_sameness",
        advice=f"Nearly everybody gets the same list. {_MODEL_AT_FAULT}",
        note="1 is one list for all; items that popularity placed do not count",
    ),
    Check(
        name="champion_above_popularity",
        meaning="how far the champion is above popularity on the select half, at best",
        value=champion_above_popularity,
        bound="at least",
        advice=f"The champion is certainly worse. Are the newest interactions right? If so, {_WITHOUT_IT}.",
        note="the upper end of the interval of champion − popularity",
    ),
    Check(
        name="quality",
        meaning="the champion's metric on the select half, at best, as a share of the median of the last nights' "
        "champions",
        value=quality,
        bound="at least",
        setting="max_quality_drop",
        of_setting=lambda drop: 1 - drop,
        advice=f"Are the newest interactions right? {_ONCE.format('max_quality_drop=1')}",
        note=f"the upper end of its interval; the last {NIGHTS} nights that were judged alike",
    ),
    *DRIFT_CHECKS,
)
"""In the order of `run_checks`. The first one that fails gives the error its message."""

_NO_LISTS = pa.table({"user_id": pa.array([], pa.string()), "item_id": pa.array([], pa.string())})


def night_figures(night: CheckedNight) -> dict[str, float | None]:
    """Return the values of the checks that are measured in Python, by name; None where there is nothing to compare."""
    return {check.name: check.value(night) for check in CHECKS if not isinstance(check.value, Sql)}


def night_details(night: CheckedNight) -> dict[str, str]:
    """Return the details of the checks that are measured in Python, by name."""
    return {check.name: check.detail(night) for check in CHECKS if callable(check.detail)}


def check_lists(
    con: duckdb.DuckDBPyConnection,
    lists: Lists,
    *,
    as_of: datetime,
    settings: CheckSettings,
    recommend: RecommendSettings,
    figures: Mapping[str, float | None],
    details: Mapping[str, str] | None = None,
    live: pa.Table | None = None,
    seen_before: EarlierSeen | None = None,
    rules: Rules = (),
) -> list[CheckResult]:
    """Measure and judge every check of `CHECKS`, in that order.

    Args:
        con: the warehouse, with the clean tables of sql/warehouse/schema.sql.
        lists: what is to be published.
        as_of: only what happened before it counts as seen, and makes a user eligible.
        settings: the limits.
        recommend: what the lists should look like.
        figures: the values of the checks that are measured in Python (`night_figures`).
        details: their details (`night_details`).
        live: (user_id, item_id), the first `TOP` rows of each list that is live; None where there is nothing to
            compare with.
        seen_before: what the live run knew as seen; None where there is nothing to compare with.
        rules: of single items, that the lists were made by.
    """
    _make_relations(con, lists, as_of, settings, recommend, live, rules)
    make_relisted(con, seen_before, exclude_seen=recommend.exclude_seen)
    values, words = dict(figures), dict(details or {})
    for relation in dict.fromkeys(check.value.relation for check in CHECKS if isinstance(check.value, Sql)):
        columns, texts = {}, {}
        for check in CHECKS:
            if isinstance(check.value, Sql) and check.value.relation == relation:
                columns[check.name] = check.value.value
                if isinstance(check.detail, str) and check.detail:
                    texts[check.name] = check.detail
        values |= _select(con, relation, columns)
        words |= _select(con, relation, texts)
    return [_judge(check, values[check.name], words.get(check.name, ""), settings) for check in CHECKS]


def _select(con: duckdb.DuckDBPyConnection, relation: str, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of SQL expressions over the single row that they make of `relation`, by name."""
    if not columns:
        return {}
    selected = ", ".join(f"{value} as {name}" for name, value in columns.items())
    found = con.execute(f"select {selected} from {relation}").fetchone() or ()  # noqa: S608  (constants)
    return dict(zip(columns, found, strict=True))


def _in_short(results: tuple[CheckResult, ...]) -> str:
    failed = [result.check for result in results if not result.passed]
    return f"failed: {', '.join(failed)}" if failed else f"all {len(results)} passed"


@stage("check", stored=False, note=_in_short)
def check(
    con: duckdb.DuckDBPyConnection,
    target: Target,
    lists: Lists,
    records: Callable[[], CheckedNight],
    *,
    as_of: datetime,
    settings: CheckSettings,
    recommend: RecommendSettings,
    compare_lists: Callable[[], bool],
    seen_before: Callable[[], EarlierSeen | None],
    rules: Rules,
) -> tuple[CheckResult, ...]:
    """Check the lists against the clean tables and the live lists, and the night against earlier ones.

    Args:
        con: the warehouse, with the clean tables.
        target: the serving database.
        lists: what is to be published.
        records: returns the records of the night; asks the serving database which run is live.
        as_of: the end of the data, exclusive, UTC.
        settings: the limits.
        recommend: what the lists should look like.
        compare_lists: whether the lists should resemble the live ones; not where the live ones are of newer data.
        seen_before: returns what the live run knew as seen.
        rules: of single items, that the lists were made by.

    Returns:
        The result of every check, in the order of `CHECKS`.
    """
    night, comparable = records(), compare_lists()
    return tuple(
        check_lists(
            con,
            lists,
            as_of=as_of,
            settings=settings,
            recommend=recommend,
            figures=night_figures(night),
            details=night_details(night),
            live=target.live_tops(TOP) if comparable else None,
            seen_before=seen_before() if comparable else None,
            rules=rules,
        )
    )


def first_failure(results: Sequence[CheckResult], stay: str = "") -> CheckFailedError | None:
    """Return the error of the first failed check: what it saw, the limit, what to do. None if all passed.

    Args:
        results: of every check.
        stay: the sentence that says what readers have instead.
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
    where = f": {first.detail}" if first.detail else ""
    also = f" Failed as well: {', '.join(others)}." if others else ""
    return CheckFailedError(
        f"Check {check.name} failed: {check.meaning}: {_figure(first.value)}, "
        f"but {check.bound} {_figure(first.limit)} is required{where}.{also} {stay}".rstrip(),
        check.advice,
    )


def _make_relations(
    con: duckdb.DuckDBPyConnection,
    lists: Lists,
    as_of: datetime,
    settings: CheckSettings,
    recommend: RecommendSettings,
    live: pa.Table | None,
    rules: Rules,
) -> None:
    """Make the temporary relations that the checks measure, as sql/warehouse/checks/ describes them."""
    order_by_time(con)
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
    parameters = {
        "n": recommend.n,
        "exclude_seen": recommend.exclude_seen,
        "top": min(TOP, recommend.n),
        "min_users": settings.min_users,
    }
    run_file(con, "warehouse/checks/list_rows.sql")
    run_file(con, "warehouse/checks/user_lists.sql", **parameters)
    run_file(con, "warehouse/checks/variety.sql", **parameters)
    run_file(con, "warehouse/checks/live_comparison.sql", **parameters)


def _figure(value: float | None) -> str:
    """Return a value with as many digits as a person wants to read."""
    if value is None:
        return "nothing"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def _judge(check: Check, value: float | None, detail: str, settings: CheckSettings) -> CheckResult:
    limit = check.limit_of(settings)
    if value is None or limit is None:
        return CheckResult(check.name, value, limit, passed=True)
    passed = value >= limit if check.bound == "at least" else value <= limit
    return CheckResult(check.name, float(value), float(limit), passed, detail if value else "")
