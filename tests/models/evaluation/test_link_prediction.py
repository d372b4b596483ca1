"""Links between items: places and AUC as plain loops over full lists find them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import sparse

from models.base import IntArray, Recommender, TopN
from models.evaluation import link_prediction
from models.evaluation.link_prediction import Pairs, find_pairs, last_liked
from models.evaluation.metrics import PAIR_METRICS
from models.graph.p3alpha import P3Alpha
from tests.examples import examples
from tests.models.contract import small_world

N_ITEMS = 7


class Table(Recommender):
    """A model that reads the similarities from a table, (n_items, n_items); it notes what it is asked."""

    name = "table"

    def __init__(self, similarity: NDArray[np.float32]) -> None:
        self.similarity = similarity
        self.asked: list[int] = []

    def similar_items(self, items: IntArray, n: int, *, among: NDArray[np.bool_] | None = None) -> TopN:
        assert among is None
        self.asked += items.tolist()
        top = TopN.empty(len(items), n)
        for row, item in enumerate(items):
            listed = [other for other in np.argsort(-self.similarity[item], kind="stable") if other != item]
            listed = [other for other in listed if self.similarity[item, other] > 0][:n]
            top.items[row, : len(listed)] = listed
            top.scores[row, : len(listed)] = self.similarity[item, listed]
        return top

    def _fit(self, *_: object, **__: object) -> None:
        raise NotImplementedError

    _score = _recommend = _similar_items = _fit  # type: ignore[assignment]


similarities = st.lists(
    st.permutations([*range(N_ITEMS - 3), *[-1] * 3]), min_size=N_ITEMS, max_size=N_ITEMS
).map(lambda rows: np.array(rows, np.float32))
histories = st.dictionaries(
    st.integers(0, 5),
    st.tuples(st.integers(0, N_ITEMS - 1), st.sets(st.integers(0, N_ITEMS - 1), min_size=1)),
    min_size=1,
)


def pairs_of(users: dict[int, tuple[int, set[int]]]) -> Pairs:
    """Return the pairs of users with a query and targets, in no order; the query is no target of its own."""
    rows = [(user, query, item) for user, (query, items) in users.items() for item in items if item != query]
    rows = rows[1::2] + rows[::2]
    return Pairs(*np.array(rows, np.int64).reshape(-1, 3).T)


def expected(similarity: NDArray[np.float32], users: dict, depth: int) -> dict[tuple[int, int], tuple]:
    """Return the place and the AUC of each user's targets: by loops over the lists."""
    found = {}
    for user, (query, items) in users.items():
        targets = items - {query}
        order = sorted(
            (i for i in range(N_ITEMS) if i != query and similarity[query, i] > 0),
            key=lambda i: -similarity[query, i],
        )[:depth]
        level = {item: depth - at for at, item in enumerate(order)}  # 0 of those that are not listed
        others = [i for i in range(N_ITEMS) if i != query and i not in targets]
        for target in targets:
            place = order.index(target) + 1 if target in order else np.inf
            mine = level.get(target, 0)
            ordered = [1 if mine > level.get(i, 0) else 0.5 if mine == level.get(i, 0) else 0 for i in others]
            found[user, target] = place, np.mean(ordered) if others else 0.5
    return found


@settings(max_examples=examples(150), deadline=None)
@given(similarities, histories, st.integers(1, N_ITEMS))
def test_places_and_auc_are_those_of_plain_loops(
    similarity: NDArray[np.float32], users: dict[int, tuple[int, set[int]]], depth: int
) -> None:
    pairs, model = pairs_of(users), Table(similarity)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link_prediction, "DEPTH", depth)
        patch.setattr(link_prediction, "_QUERIES_AT_ONCE", 2)
        found = find_pairs(model, pairs, N_ITEMS)
    wanted = expected(similarity, users, depth)
    for user, target, place, auc in zip(pairs.user, pairs.target, found.place, found.auc, strict=True):
        assert place == wanted[user, target][0]
        assert auc == pytest.approx(wanted[user, target][1])
    assert len(found.place) == len(wanted)
    assert sorted(model.asked) == sorted({*pairs.query.tolist()}), "each distinct query is asked for once"


def test_places_are_those_of_the_full_list() -> None:
    world = small_world()
    model = P3Alpha().fit(world, seed=1)
    lists = model.similar_items(np.arange(40), 39).items
    asked, wanted = np.divmod(np.arange(1600), 40)
    found = find_pairs(model, Pairs(asked, asked, wanted), 42).place
    for item, other, place in zip(asked, wanted, found, strict=True):
        at = np.flatnonzero(lists[item] == other)
        assert place == (at[0] + 1 if len(at) else np.inf)


def test_a_model_without_similar_items_is_no_better_than_chance() -> None:
    pairs = pairs_of({0: (1, {2, 3}), 1: (4, {5})})
    found = find_pairs(Table(np.full((N_ITEMS, N_ITEMS), -1, np.float32)), pairs, N_ITEMS)
    assert not found.has_lists
    values = {metric.name: metric.formula(found).tolist() for metric in PAIR_METRICS}
    assert values == {"link_hits": [0, 0, 0], "link_mrr": [0, 0, 0], "link_auc": [0.5, 0.5, 0.5]}


def test_hits_are_those_among_the_first_ten() -> None:
    similarity = np.tile(np.arange(20, 0, -1, dtype=np.float32), (20, 1))
    found = find_pairs(Table(similarity), Pairs(*np.array([[0, 0, 10], [1, 0, 11]]).T), 20)
    assert found.place.tolist() == [10, 11]
    assert [metric.formula(found).tolist() for metric in PAIR_METRICS[:2]] == [[1, 0], [1 / 10, 1 / 11]]


def test_a_query_is_the_latest_like() -> None:
    """User 0 liked item 2 before item 0, user 1 two at once; user 2 liked nothing, user 3 met a later one unliked."""
    timestamp = sparse.csr_array(np.array([[9, 0, 5, 0], [0, 7, 0, 7], [0, 0, 0, 0], [3, 8, 0, 0]], np.int64))
    positive = sparse.csr_array(np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0] * 4, [1, 0, 0, 0]], np.float32))
    assert last_liked(positive, timestamp).tolist() == [0, 3, -1, 0]


@given(
    times=arrays(np.int64, st.tuples(st.integers(0, 6), st.integers(1, 9)), elements=st.integers(-3, 4)),
    seed=st.integers(0, 99),
)
def test_latest_likes_are_those_of_a_sort(times: NDArray[np.int64], seed: int) -> None:
    """Times before 1970 are below 0."""
    met, liked = np.random.default_rng(seed).random((2, *times.shape)) < [[[0.8]], [[0.6]]]
    timestamp, positive = (
        sparse.csr_array(met.astype(np.int64)),
        sparse.csr_array((met & liked).astype(float)),
    )
    timestamp.data[:] = times[met]
    for user, last in enumerate(last_liked(positive, timestamp).tolist()):
        likes = [(times[user, item], item) for item in np.flatnonzero((met & liked)[user])]
        assert last == max(likes, default=(0, -1))[1]
