"""The comparison of warm fits with cold ones: what it prints, what a night brings, and what it refuses."""

import re

import numpy as np
import pytest
from scipy import sparse

from benchmarks import warm_start
from models.interactions import Interactions

LINE = re.compile(
    r"als +0\.1 +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d  recall@20 +(\S+) (\S+) (\S+) \[(\S+), (\S+)\]"
)


def files(seed=0):
    """Return the text of a training file and a test file of two tastes."""
    rng, lines = np.random.default_rng(seed), ([], [])
    for user in range(60):
        items = rng.permutation(np.arange(user % 2, 160, 2))
        for part, which in zip(lines, (items[:8], items[8:11]), strict=True):
            part.append(f"{user} {' '.join(map(str, which))}\n")
    return {"train": "".join(lines[0]), "test": "".join(lines[1])}


@pytest.mark.parametrize("nights", ["1", "3"])
def test_the_difference_is_that_of_the_means(benchmark, nights):
    asked = ("--model", "als", "--set", "factors=8", "--new", "0.05", "--nights", nights)
    printed = benchmark(warm_start.main, *asked, **files())
    cold, warm, difference, low, high = map(float, LINE.fullmatch(printed).groups())
    assert 0 < cold < 1
    assert difference == pytest.approx(warm - cold, abs=2e-5)
    assert low <= difference <= high


def test_a_night_brings_its_share_of_all_pairs():
    likes = sparse.csr_array(np.tril(np.ones((30, 20), np.float32)))
    data = Interactions.from_positive(likes)
    order = np.random.default_rng(1).permutation(likes.nnz)
    world = warm_start.World(data, order, np.arange(30), likes)
    before = world.until(0.9)
    assert before.seen.nnz == before.positive.nnz == before.timestamp.nnz == round(0.9 * likes.nnz)
    kept = sparse.csr_array((order < before.seen.nnz, likes.indices, likes.indptr), likes.shape).toarray()
    np.testing.assert_array_equal(before.seen.toarray() > 0, kept)
    assert world.until(1) is data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "item_knn"), "The model item_knn knows no warm start"),
        (("--model", "bpr", "--set", "sampler=implicit"), "The model bpr knows no warm start with these options"),
        (("--model", "als", "--new", "0"), "--new 0.0 times --nights 1 must lie between 0 and 1"),
        (("--model", "als", "--new", "0.3", "--nights", "4"), "must lie between 0 and 1"),
        (("--model", "als", "--share", "2"), "models.als.warm_share is wrong"),
        (("--model", "als", "--dataset", "demo"), "Give either --dataset, or both --train and --test"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(refused, arguments, message):
    code, error = refused(warm_start.main, *arguments, **files())
    assert (code, message in error) == (2, True), error
