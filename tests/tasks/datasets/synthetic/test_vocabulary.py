"""The words of the demo data set."""

from __future__ import annotations

import numpy as np

from tasks.datasets.synthetic.catalogue import TAGS
from tasks.datasets.synthetic.vocabulary import TASTES, make_director_names, make_titles


def test_titles_stay_unique_when_words_run_out() -> None:
    n = 3000
    none = np.zeros(n, np.int64)
    titles, _ = make_titles(none, np.full(n, 1999), none - 1, none, np.random.default_rng(0))
    assert len(set(titles)) == n


def test_titles_of_a_series_have_its_name() -> None:
    years, series, parts = np.array([1990, 1994, 1998, 1999]), np.array([1, 0, 1, -1]), np.array([1, 1, 2, 0])
    titles, names = make_titles(np.array([3, 5, 3, 3]), years, series, parts, np.random.default_rng(0))
    assert titles[:3] == [f"{names[1]} (1990)", f"{names[0]} (1994)", f"{names[1]}: Part 2 (1998)"]
    assert titles[3].endswith(" (1999)")


def test_director_names_get_initials_when_pairs_run_out() -> None:
    names = make_director_names(60_000, np.random.default_rng(0))
    assert len(set(names)) == 60_000
    assert names[0] == names[800].replace(" A. ", " ") == names[27 * 800].replace(" A. A. ", " ")
    assert " Z. " in names[26 * 800]
    assert not any(set(name) & set(',"\n') for name in names)


def test_every_taste_has_enough_words_without_quotes() -> None:
    for taste in TASTES:
        assert len(set(taste.tags)) == 10
        assert len(set(taste.nouns)) == 10
    assert not any(set(word) & set(',"\n') for word in TAGS)
