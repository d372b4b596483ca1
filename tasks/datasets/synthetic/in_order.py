"""Work on blocks on several cores, and hand out the results in the order of the blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from models.numerics.resources import resources

Block = TypeVar("Block")
Result = TypeVar("Result")

MOST_THREADS = 4  # more would wait for Python's lock


def in_order(work: Callable[[Block], Result], blocks: Iterable[Block]) -> Iterator[Result]:
    """Yield `work(block)` of every block, in order.

    Each of up to `MOST_THREADS` threads works on a block, and one more block waits: memory does not grow with their
    number. After an error, only blocks that were taken before it are finished.

    Args:
        work: a function that several threads may run at once.
        blocks: what to work on.
    """
    threads = count_threads()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="blocks") as pool:
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def count_threads() -> int:
    """Return the number of threads that this process may use, at most `MOST_THREADS`."""
    return min(MOST_THREADS, resources().threads)
