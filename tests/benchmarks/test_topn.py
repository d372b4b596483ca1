"""The benchmark of lists: all its figures on small random likes, and what it refuses."""

from __future__ import annotations

import re

from benchmarks import topn

NUMBER = r"\d+\.\d+"


def test_every_list_is_compared_with_its_bare_product(benchmark) -> None:
    line = benchmark(topn.main, "--users", "600", "--items", "400", "--factors", "8", "--n", "10")
    assert re.fullmatch(
        rf"factor_ratio={NUMBER} item_item_ratio={NUMBER} blend_ratio={NUMBER} similar_s={NUMBER}", line
    )


def test_longer_lists_than_there_are_items_are_refused(refused) -> None:
    code, error = refused(topn.main, "--users", "9", "--items", "20", "--n", "15")
    assert code == 2
    assert "--n 15 is more than the 10 items that are left to list" in error
