"""The benchmark of similar items: figures by hand, and what it refuses."""

from __future__ import annotations

import re

from benchmarks import similar

TRAIN = "0 1 2\n1 2 3\n2 3 2\n3 1 2 3\n4 4 2\n"


def test_figures_match_a_hand_ranking(benchmark) -> None:
    """User 0 has item 2 last: 3 is its likeliest end, 1 and 4 follow. User 1 has 3 last: of 2 and 1, 1 is second.

    Item 5 of user 0 has no training interaction; item 2 of user 4 was there before. An item that stands twice in a line
    counts once. Of the three items other than 2, 3 and 5 none is before 3, and two are listed before 5, which ties with
    the third; of the four other than 3 and 1, one is before 1.
    """
    line = benchmark(similar.main, "--model", "p3alpha", train=TRAIN, test="0 3 5 3\n1 1\n4 2\n")
    assert re.fullmatch(
        rf"hits@10={2 / 3:.5f} mrr={(1 + 0 + 1 / 2) / 3:.5f} hits@10_cold={2 / 3:.5f} "
        rf"auc={(1 + 1 / 6 + 3 / 4) / 3:.5f} pairs=3 pairs_cold=3 "
        r"fit_s=\d+\.\d score_s=\d+\.\d peak_mb=\d+",
        line,
    )


def test_attributes_reach_the_model(benchmark) -> None:
    """Item 9 is liked by nobody, and has the attribute of item 2, which user 0 had last."""
    files = {"train": TRAIN, "test": "0 9\n"}
    attributes = '{"2": ["a"], "9": ["a"], "1": ["b"], "3": ["b"]}'
    assert benchmark(similar.main, "--model", "content", **files).startswith("hits@10=0.00000 ")
    with_them = benchmark(similar.main, "--model", "content", **files, attributes=attributes)
    assert with_them.startswith("hits@10=1.00000 mrr=1.00000 hits@10_cold=1.00000 auc=1.00000 pairs=1 ")


def test_a_test_without_new_items_is_refused(refused) -> None:
    code, error = refused(similar.main, "--model", "p3alpha", train=TRAIN, test="0 2\n7 3\n")
    assert (code, "has training items and new test items: nothing is tested" in error) == (2, True)
