"""The demo's directors and series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.datasets.synthetic.catalogue import FILMS_PER_DIRECTOR, TRAIT_DEVIATION, Items, make_items
from tests.examples import examples


@pytest.fixture(scope="module")
def items() -> Items:
    return make_items(3000, np.random.default_rng(7))


@settings(max_examples=examples(30))
@given(n=st.integers(15, 200), seed=st.integers(0, 2**32))
def test_series_are_consecutive_films_of_one_director(n: int, seed: int) -> None:
    items = make_items(n, np.random.default_rng(seed))
    assert set(items.director) == set(range(items.director.max() + 1))
    assert ((items.part > 0) == (items.series >= 0)).all()
    for series in range(items.series.max() + 1):
        parts = np.flatnonzero(items.series == series)
        assert items.part[parts].tolist() == list(range(1, len(parts) + 1)), "in order of release"
        assert 2 <= len(parts) <= 5
        films = np.flatnonzero(items.director == items.director[parts[0]]).tolist()
        start = films.index(parts[0])
        assert films[start : start + len(parts)] == parts.tolist()


def test_directors_keep_to_one_main_taste_and_some_have_many_films(items: Items) -> None:
    films = np.bincount(items.director)
    assert films.mean() == pytest.approx(FILMS_PER_DIRECTOR, rel=0.1)
    assert films.max() > 3 * films.mean()
    assert all(len(set(items.main_taste[items.director == d])) == 1 for d in range(len(films)))


def test_traits_are_alike_within_directors_and_more_within_series(items: Items) -> None:
    """The share of the variance that two films of the same group have in common, for a random pair of each group."""
    spread = items.traits.std()
    assert spread == pytest.approx(TRAIT_DEVIATION, rel=0.05)
    rng = np.random.default_rng(0)
    in_series = np.flatnonzero(items.series >= 0)
    by_director = shared(items, np.arange(len(items.year)), items.director, rng) / spread**2
    by_series = shared(items, in_series, items.series, rng) / spread**2
    by_chance = shared(items, np.arange(len(items.year)), rng.permutation(items.director), rng) / spread**2
    assert abs(by_chance) < 0.1
    assert 0.6 < by_director < 0.85
    assert by_series > by_director + 0.1


def shared(items: Items, films: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> float:
    """Return the mean product of the traits of neighbours in a random order by group."""
    order = films[np.lexsort((rng.random(len(films)), group[films]))]
    same = group[order[1:]] == group[order[:-1]]
    return float((items.traits[order[1:]] * items.traits[order[:-1]])[same].mean())
