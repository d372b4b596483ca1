"""The words of the demo data set."""

from __future__ import annotations

import numpy as np

from tasks.datasets.synthetic.catalogue import TAGS
from tasks.datasets.synthetic.vocabulary import TASTES, make_titles


def test_titles_stay_unique_when_words_run_out() -> None:
    n = 3000
    titles = make_titles(np.zeros(n, np.int64), np.full(n, 1999), np.random.default_rng(0))
    assert len(set(titles)) == n


def test_every_taste_has_enough_words_without_quotes() -> None:
    for taste in TASTES:
        assert len(set(taste.tags)) == 10
        assert len(set(taste.nouns)) == 10
    assert not any(set(word) & set(',"\n') for word in TAGS)
