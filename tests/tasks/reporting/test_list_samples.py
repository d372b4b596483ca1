"""Samples of lists and their changes agree with plain counting."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import Interactions
from tasks.artifacts import Lists, Snapshot
from tasks.reporting.list_samples import best_of, kept_since, movers, sample_users
from tests.examples import examples

TOP = 3
some_lists = st.dictionaries(
    st.integers(1, 5), st.lists(st.integers(1, 6), min_size=1, max_size=5, unique=True), min_size=1
)


def write(folder: Path, lists: dict, *, reason: bool = False, text: bool = False) -> Lists:
    """Write the files of a run; item 6 is in no catalogue, item 1 is the reason for everything."""
    folder.mkdir(exist_ok=True)
    kind = str if text else int
    rows = [(u, n + 1, i) for u in sorted(lists) for n, i in enumerate(lists[u])]
    pq.write_table(
        pa.table(
            {
                "user_id": [kind(u) for u, _, _ in rows],
                "rank": pa.array([n for _, n, _ in rows], pa.int32()),
                "item_id": [kind(i) for _, _, i in rows],
                "model": ["als"] * len(rows),
                "reason_item_id": pa.array(
                    [kind(1) if reason else None for _ in rows], pa.string() if text else pa.int64()
                ),
            }
        ),
        folder / "recommendations.parquet",
    )
    catalogue = {
        "item_id": [kind(i) for i in range(1, 6)],
        "title": [f"Film {i}" for i in range(1, 6)],
        "genres": ["Crime|Drama", *[None] * 4],
    }
    pq.write_table(pa.table(catalogue), folder / "items.parquet")
    return Lists("key", folder, len(lists), len(rows), 0, 0, 5)


@settings(max_examples=examples(15))
@given(some_lists, some_lists)
def test_kept_and_moved_items_are_counted(tmp_path_factory, before, after) -> None:
    folder = tmp_path_factory.mktemp("lists")
    earlier, now = write(folder / "a", before), write(folder / "b", after)
    kept = kept_since(now, earlier, TOP)
    expected = Counter(
        len(set(after[user][:TOP]) & set(before[user][:TOP])) for user in after if user in before
    )
    assert dict(enumerate(kept.users)) == {n: expected[n] for n in range(TOP + 1)}
    assert kept.n_new == len(after.keys() - before.keys())
    was, is_now = (Counter(i for row in lists.values() for i in row[:TOP]) for lists in (before, after))
    changes = {i: (was[i], is_now[i]) for i in {*was, *is_now} if was[i] != is_now[i]}
    found = movers(now, earlier, 10, TOP)
    assert {mover.item_id: (mover.was, mover.now) for mover in found} == changes
    sizes = [abs(mover.now - mover.was) for mover in found]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("text", [False, True])
def test_places_have_titles_genres_and_reasons(tmp_path: Path, text: bool) -> None:
    lists = write(tmp_path / "a", {7: [1, 6], 8: [2]}, reason=True, text=text)
    seven, nobody = ("7", "9") if text else (7, 9)
    found = best_of(lists, [seven, nobody])
    assert list(found) == [seven]
    first, second = found[seven]
    assert (first.rank, first.title, first.genres, first.reason) == (
        1,
        "Film 1",
        ("Crime", "Drama"),
        "Film 1",
    )
    assert (second.title, second.genres) == ("item 6", ())


def test_places_without_a_reason_have_none(tmp_path: Path) -> None:
    assert best_of(write(tmp_path / "a", {7: [1]}), [7])[7][0].reason is None


def test_users_without_a_history_are_not_sampled(tmp_path: Path) -> None:
    """Users who only have a link have a list, and nothing to show beside it."""
    n_seen = [0, 3, 0, 1, 2]
    seen = np.array([[item < n for item in range(5)] for n in n_seen], np.float32)
    Interactions.from_positive(sparse.csr_array(seen)).save(tmp_path)
    pq.write_table(pa.table({"user_id": range(5)}), tmp_path / "users.parquet")
    lists = write(tmp_path / "lists", {user: [1, 2] for user in range(5)})
    pq.write_table(pa.table({"item_id": range(1, 6)}), tmp_path / "items.parquet")
    snapshot = Snapshot("key", tmp_path, 5, 5, 6, 6, 6, 6, 0, n_untouched_users=2)
    found = sample_users(lists, snapshot, 9)
    assert [(user.user_id, user.n_seen) for user in found] == [(3, 1), (4, 2), (1, 3)]
