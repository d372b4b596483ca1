"""Reranking against a plain version of lists and loops, and its properties for any candidates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.ranking.mmr import FIRST_PAGE, NEW, ORDINARY, RerankCandidates, arrange, ordinary_places
from tests.examples import examples

N_ITEMS, N_GENRES = 40, 4


def plain(
    candidates: RerankCandidates, places, row, *, diversity, vectors, max_per_genre, genres
) -> list[int]:
    """Rerank one list by the rules in the docstring of `arrange`."""
    items, relevance = candidates.items[row], candidates.relevance[row].astype(np.float64)
    width = len(items)
    ordinary, new = (
        range(candidates.n_pinned, width - candidates.n_new),
        range(width - candidates.n_new, width),
    )
    pinned = {p: c for p, c in enumerate(places) if c >= 0 and items[c] >= 0}
    reserved = {items[c] for c in pinned.values()}
    genres_of = [set(genres.indices[genres.indptr[i] : genres.indptr[i + 1]]) for i in range(N_ITEMS)]
    listed: list[int] = []

    def is_full(item: int) -> bool:
        if not max_per_genre or len(listed) >= FIRST_PAGE:
            return False
        first = {items[c] for c in listed} | {items[c] for p, c in pinned.items() if p < FIRST_PAGE}
        return any(sum(g in genres_of[i] for i in first) >= max_per_genre for g in genres_of[item])

    def mmr_score(column: int) -> float:
        above = [float(vectors[items[column]] @ vectors[items[c]]) for c in listed]
        return (1 - diversity) * relevance[column] - diversity * max(above, default=0.0)

    def best(columns, *, capped: bool) -> int | None:
        gone = reserved | {items[c] for c in listed}
        left = [c for c in columns if items[c] >= 0 and items[c] not in gone]
        if capped:
            left = [c for c in left if not is_full(items[c])]
        return max(left, key=lambda c: (mmr_score(c), -c)) if left else None

    for place, wanted in enumerate(places):
        if place in pinned:
            listed.append(pinned[place])
            continue
        tries = [(ordinary, True), (ordinary, False), (new, False)]
        if wanted == NEW:
            tries = [(new, True), (ordinary, True), (new, False), (ordinary, False)]
        found = next((c for cs, capped in tries if (c := best(cs, capped=capped)) is not None), None)
        if found is not None:
            listed.append(found)
    return listed


@st.composite
def cases(draw: st.DrawFn) -> tuple[RerankCandidates, np.ndarray, dict]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, n_rows = draw(st.integers(1, 15)), 20  # two chunks of rows
    n_pinned, n_new, n_ordinary = draw(st.integers(0, 3)), draw(st.integers(0, 4)), draw(st.integers(0, 25))
    width = n_pinned + n_ordinary + n_new
    items = np.array([rng.permutation(N_ITEMS)[:width] for _ in range(n_rows)], np.int32).reshape(
        n_rows, width
    )
    items[rng.random(items.shape) < 0.1] = -1
    if n_ordinary and n_new:  # the same item may be ordinary and new, and pinned
        items[:, -1] = items[:, n_pinned]
    if n_ordinary and n_pinned:
        items[::2, 0] = items[::2, n_pinned]
    # Sums of sixteenths and products of orthogonal axes are exact, so kernel and plain version round alike.
    relevance = rng.integers(-16, 17, items.shape).astype(np.float32) / 16
    places = ordinary_places(n)
    places[rng.random(n) < 0.3] = NEW if n_new else ORDINARY
    for column, place in enumerate(rng.permutation(n)[:n_pinned]):
        places[place] = column
    vectors = np.zeros((N_ITEMS, 3), np.float32)
    vectors[np.arange(N_ITEMS), rng.integers(0, 3, N_ITEMS)] = rng.integers(-2, 3, N_ITEMS) / 2
    genres = sparse.csr_array((rng.random((N_ITEMS, N_GENRES)) < 0.3).astype(np.float32))
    how = {
        "diversity": draw(st.sampled_from([0.0, 0.25, 0.5, 1.0])),
        "vectors": vectors,
        "max_per_genre": draw(st.integers(0, 4)),
        "genres": genres,
    }
    return RerankCandidates(items, relevance, n_pinned, n_new), places, how


@settings(max_examples=examples(60))
@given(case=cases())
def test_lists_equal_those_of_the_plain_version(case) -> None:
    candidates, places, how = case
    chosen = arrange(candidates, places, **how)
    for row in range(len(candidates.items)):
        expected = plain(candidates, places, row, **how)
        assert chosen[row].tolist() == expected + [-1] * (len(places) - len(expected))


@settings(max_examples=examples(60))
@given(case=cases())
def test_lists_are_full_and_hold_no_item_twice(case) -> None:
    candidates, places, how = case
    chosen = arrange(candidates, places, **how)
    for items, columns in zip(candidates.items, chosen, strict=True):
        listed = [items[column] for column in columns if column >= 0]
        assert len(set(listed)) == len(listed)
        placed = {items[c] for p, c in enumerate(places) if c >= 0}
        offered = {i for i in items[candidates.n_pinned :] if i >= 0} | (placed - {-1})
        assert len(listed) == min(len(places), len(offered))


def simple(relevance: list[float]) -> RerankCandidates:
    return RerankCandidates(
        np.arange(len(relevance), dtype=np.int32)[None], np.array([relevance], np.float32)
    )


def arranged(candidates: RerankCandidates, n: int, *, places=None, **how) -> list[int]:
    defaults = {
        "diversity": 0.0,
        "vectors": np.empty((0, 0), np.float32),
        "max_per_genre": 0,
        "genres": sparse.csr_array((0, 0), dtype=np.float32),
    }
    places = ordinary_places(n) if places is None else np.array(places, np.int32)
    return arrange(candidates, places, **{**defaults, **how})[0].tolist()


def test_order_is_by_relevance_without_other_settings() -> None:
    assert arranged(simple([0.1, 0.9, 0.5, 0.9]), 3) == [1, 3, 2], "of equals the first column"


def test_diversity_moves_a_copy_of_an_item_above_down() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert arranged(simple([1.0, 0.9, 0.5]), 3, vectors=vectors) == [0, 1, 2]
    assert arranged(simple([1.0, 0.9, 0.5]), 3, vectors=vectors, diversity=0.5) == [0, 2, 1]


def test_an_opposite_of_all_items_above_moves_up() -> None:
    """With relevances 1, .6 and .5, the scores for place 2 are .3 − 0 (unlike) and .25 + .5 (opposite)."""
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    assert arranged(simple([1.0, 0.6, 0.5]), 3, vectors=vectors, diversity=0.5) == [0, 2, 1]


def test_cap_per_genre_holds_only_on_the_first_page() -> None:
    genres = sparse.csr_array(np.array([[1]] * 12 + [[0]] * 12, np.float32))
    order = arranged(simple(np.linspace(1, 0, 24).tolist()), 12, max_per_genre=2, genres=genres)
    assert order[:FIRST_PAGE] == [0, 1, *range(12, 20)]
    assert order[FIRST_PAGE:] == [2, 3], "the rest of the list is by relevance alone"


def test_cap_is_ignored_when_no_candidate_can_keep_it() -> None:
    genres = sparse.csr_array(np.ones((5, 1), np.float32))
    assert arranged(simple([5, 4, 3, 2, 1]), 5, max_per_genre=1, genres=genres) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("has_seen", "expected"), [(False, [2, 0, 3]), (True, [2, 3, 4])])
def test_a_pinned_item_has_its_place_unless_seen(has_seen: bool, expected: list[int]) -> None:
    items = np.array([[-1 if has_seen else 9, 8, 1, 2, 3]], np.int32)  # column 1 is pinned to no place
    candidates = RerankCandidates(items, np.array([[0, 0, 3, 2, 1]], np.float32), n_pinned=2)
    assert arranged(candidates, 3, places=[ORDINARY, 0, ORDINARY]) == expected


def test_pinned_items_move_up_when_the_list_is_short() -> None:
    candidates = RerankCandidates(np.array([[7, 1]], np.int32), np.array([[0, 1]], np.float32), n_pinned=1)
    assert arranged(candidates, 5, places=[ORDINARY] * 4 + [0]) == [1, 0, -1, -1, -1]
