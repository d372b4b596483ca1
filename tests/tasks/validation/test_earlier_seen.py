"""No list holds what the live run knew as seen, although tonight's data may not know it any more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from tasks.artifacts import CheckResult, Snapshot
from tasks.config.settings import CheckSettings, RecommendSettings
from tasks.storage.artifact_store import Store
from tasks.storage.run_records import Run
from tasks.validation.checks import check_lists, first_failure
from tasks.validation.earlier_seen import EarlierSeen, read_seen
from tests.tasks.logs import AS_OF, make_clean_tables
from tests.tasks.publication.published_lists import write_lists
from tests.tasks.validation.test_checks import HEALTHY, LOG, RECOMMEND, good_rows


def seen(*pairs: tuple[int, int]) -> EarlierSeen:
    """Return the pairs (user_id, item_id) as a run knew them: its indices are other numbers than the ids."""
    users, items = ([*dict.fromkeys(column)] for column in zip(*pairs, strict=True))
    rows = [(users.index(user), items.index(item)) for user, item in pairs]
    return EarlierSeen(
        pa.table({"user_idx": range(len(users)), "user_id": users}),
        pa.table({"item_idx": range(len(items)), "item_id": items}),
        pa.table(dict(zip(("user_idx", "item_idx"), zip(*rows, strict=True), strict=True))),
    )


def relisted(folder: Path, before: EarlierSeen | None, *, exclude_seen: bool = True) -> CheckResult:
    con = duckdb.connect()
    make_clean_tables(con, LOG)
    results = check_lists(
        con,
        write_lists(folder, **good_rows()),
        as_of=AS_OF,
        settings=CheckSettings(),
        recommend=RecommendSettings(n=RECOMMEND.n, exclude_seen=exclude_seen),
        figures=HEALTHY,
        seen_before=before,
    )
    return next(result for result in results if result.check == "relisted_seen")


def test_listed_items_that_the_live_run_knew_as_seen_fail(tmp_path: Path) -> None:
    """User 1 is listed items 2 to 5, user 3 items 2 and 4 to 6; user 9 and item 99 are gone."""
    result = relisted(tmp_path, seen((1, 1), (1, 2), (1, 5), (3, 4), (3, 99), (9, 2)))
    assert (result.value, result.passed) == (pytest.approx(3 / 12), False)
    failure = first_failure([result])
    assert failure is not None
    assert "0.25, but at most 0.01 is required: 3 of 12 rows, of 2 users." in str(failure)
    assert "check.max_relisted_seen=1" in failure.hint


def test_lists_without_seen_items_pass(tmp_path: Path) -> None:
    result = relisted(tmp_path, seen((1, 1), (2, 2), (3, 3)))
    assert (result.value, result.passed, result.detail) == (0.0, True, "")


def test_nothing_is_compared_without_an_earlier_run(tmp_path: Path) -> None:
    assert relisted(tmp_path, None).value is None
    assert relisted(tmp_path, seen((1, 2)), exclude_seen=False).value is None


def snapshot(folder: Path, pairs: list[tuple[int, int]]) -> Snapshot:
    rows, columns = zip(*pairs, strict=True)
    matrix = sparse.csr_array((np.ones(len(pairs), np.float32), (rows, columns)), shape=(2, 3))
    sparse.save_npz(folder / "seen.npz", matrix)
    pq.write_table(pa.table({"user_idx": [0, 1], "user_id": ["a", "b"]}), folder / "users.parquet")
    pq.write_table(pa.table({"item_idx": [0, 1, 2], "item_id": ["x", "y", "z"]}), folder / "items.parquet")
    return Snapshot(folder.name, folder, 2, 3, len(pairs), 0, 0, 0, 0)


def test_seen_pairs_are_those_of_the_refit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make("utility", "before", lambda folder: snapshot(folder, [(0, 0)]))
    store.make("utility", "all", lambda folder: snapshot(folder, [(0, 0), (0, 2), (1, 1)]))
    run = Run(1, "f", "d", datetime(2026, 6, 1), 1, None)
    run.artifacts = ["split/s", "utility/before", "fit/a", "everything/e", "utility/all", "fit/b"]
    found = read_seen(store, run)
    assert found is not None
    assert found.pairs.to_pylist() == [
        {"user_idx": 0, "item_idx": 0},
        {"user_idx": 0, "item_idx": 2},
        {"user_idx": 1, "item_idx": 1},
    ]
    assert found.users["user_id"].to_pylist() == ["a", "b"]
    run.artifacts = ["utility/before", "everything/e", "utility/gone"]
    assert read_seen(store, run) is None
    run.artifacts = ["utility/before"]
    assert read_seen(store, run) is None
    assert read_seen(store, None) is None
