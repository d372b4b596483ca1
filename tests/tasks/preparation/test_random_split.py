"""The random split: what is held out where there are no times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tasks.artifacts import Split
from tasks.config.settings import Signal, SplitSettings, UtilitySettings
from tasks.errors import UsageError
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import make_split
from tasks.preparation.time_windows import open_split
from tests.tasks.logs import AS_OF, Log, make_clean_tables

USERS, EACH = 20, 10
LOG = Log(
    ratings=[(user, item, 5.0, 1) for user in range(USERS) for item in range(EACH)],
    events=[(user, item, "view", 1, 1) for user in range(USERS) for item in range(0, EACH, 2)],
)


def split_of(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    log: Log = LOG,
    seed: int = 42,
    utility: UtilitySettings = UtilitySettings(),  # noqa: B008 (frozen)
    **chosen: object,
) -> Split:
    make_clean_tables(con, log)
    settings = SplitSettings.model_validate(chosen)
    return make_split(
        con, settings, utility, as_of=AS_OF, seed=seed, without_times=("ratings",), key="k", folder=folder
    )


def pairs(con: duckdb.DuckDBPyConnection, split: Split, side: str) -> set[tuple[int, int]]:
    open_split(con, split, side)  # type: ignore[arg-type]
    return set(con.execute("select user_id, item_id from windowed_interactions").fetchall())


def test_each_pair_is_held_out_or_not_as_a_whole(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    split = split_of(con, tmp_path)
    before, after = pairs(con, split, "before"), pairs(con, split, "after")
    assert before & after == set()
    assert before | after == {(user, item) for user in range(USERS) for item in range(EACH)}
    assert {user for user, _ in after} == {user for user, _ in before} == set(range(USERS))
    assert 0.1 * USERS * EACH < len(after) < 0.4 * USERS * EACH
    assert split.why == (
        "random: 20 of 20 users have positives among 20% of their interactions, drawn at random; the ratings have "
        "no times"
    )


def test_the_seed_draws_other_pairs(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    drawn = [pairs(con, split_of(con, tmp_path, seed=seed), "after") for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_items_are_drawn_without_regard_to_their_order(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    held_out = [item for _, item in pairs(con, split_of(con, tmp_path), "after")]
    assert set(held_out) >= {0, EACH - 1}


def test_random_counts_like_leave_last_n(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = replace(LOG, events=[])
    split = split_of(con, tmp_path, log=log, leave_last_n=3)
    assert len(pairs(con, split, "after")) == 3 * USERS


def test_random_ends_at_as_of(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Interactions after as_of are on neither side, and a rating that is superseded only then still counts."""
    log = Log(ratings=[(1, item, 5.0, 1) for item in range(9)] + [(1, 0, 1.0, 200), (2, 1, 5.0, 200)])
    split = split_of(con, tmp_path, log=log, method="random")
    both = pairs(con, split, "before") | pairs(con, split, "after")
    assert both == {(1, item) for item in range(9)}


def test_snapshots_hold_what_was_not_drawn(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    split = split_of(con, tmp_path)
    snapshot = build_snapshot(con, split, UtilitySettings(), key="s", folder=tmp_path)
    assert snapshot.n_seen == len(pairs(con, split, "before"))


def test_one_interaction_each_holds_nothing_out(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    split = split_of(con, tmp_path, log=Log(ratings=[(1, 1, 5.0, 1), (2, 1, 5.0, 1)]))
    assert split.why.startswith("random: nothing is held out, because no user has two interactions")


@pytest.mark.parametrize("method", ["temporal", "leave_last"])
def test_splits_by_time_are_refused_without_times(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, method: str
) -> None:
    with pytest.raises(UsageError, match=f"split.method is {method}, but the ratings have no times"):
        split_of(con, tmp_path, method=method)


def test_half_lives_are_refused_without_times(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    aging = UtilitySettings(signals={"rating": Signal(source="ratings", half_life_days=30)})
    with pytest.raises(UsageError, match="rating has a half-life, but the ratings have no times") as caught:
        split_of(con, tmp_path, utility=aging)
    assert caught.value.hint == "Set utility.signals.rating.half_life_days to 0."
