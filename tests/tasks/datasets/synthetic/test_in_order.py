"""Blocks are worked on side by side, a bounded number ahead, and come out in order."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tasks.datasets.synthetic import in_order as module
from tasks.datasets.synthetic.in_order import in_order


@pytest.fixture(autouse=True)
def _three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "count_threads", lambda: 3)


def test_results_come_in_the_order_of_the_blocks() -> None:
    def work(block: int) -> int:
        time.sleep(0.002 * (block % 3 == 0))
        return block * block

    assert list(in_order(work, range(20))) == [block * block for block in range(20)]


def test_blocks_are_taken_only_a_few_ahead() -> None:
    taken: list[int] = []

    def blocks() -> Iterator[int]:
        for block in range(50):
            taken.append(block)
            yield block

    results = in_order(lambda block: block, blocks())
    assert next(results) == 0
    assert len(taken) == 4
    results.close()  # type: ignore[attr-defined]


def test_an_error_ends_the_work() -> None:
    done: list[int] = []

    def work(block: int) -> int:
        if block == 2:
            raise ValueError("block 2")
        done.append(block)
        return block

    with pytest.raises(ValueError, match="block 2"):
        list(in_order(work, range(1000)))
    assert max(done) < 10


def test_no_blocks_give_no_results() -> None:
    assert list(in_order(lambda block: block, [])) == []
