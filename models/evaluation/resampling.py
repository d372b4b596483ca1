"""Bootstrap samples as counts: how often each sample draws each user, the numbers that numpy's generator would draw.

`Generator.integers` followed by `bincount` writes, reads and converts every draw. Here the generator makes only the
random bits, and one pass over them counts. The draws are the same numbers (Lemire 2019, "Fast random integer generation
in an interval", as numpy does it).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

import numba
import numpy as np
from numpy.typing import NDArray

_WORDS = 2**32
_MOST = 2**64 - 1
_WORDS_AT_ONCE = 2**18  # a megabyte, which stays in the cache between its steps
_KEPT = 2  # sets of samples: those of the two halves of the held-out users
_GREATEST_KEPT = 200_000_000  # bytes of one set: 100,000 users × 2,000 samples

Counts = NDArray[np.uint8]
Key = tuple[object, ...]

_shared: ContextVar[OrderedDict[Key, list[Counts]] | None] = ContextVar("shared_samples", default=None)


@contextmanager
def shared_samples() -> Iterator[None]:
    """Draw samples of the same seed and number of users only once while the block runs.

    The counts of the last two such sets are kept, a byte each: number of users × number of samples. Larger sets than
    200 MB are drawn again.
    """
    token = _shared.set(OrderedDict())
    try:
        yield
    finally:
        _shared.reset(token)


def sample_counts(
    n_users: int, samples: int, seed: int | tuple[int, ...], *, at_once: int
) -> Iterator[Counts]:
    """Yield bootstrap samples block by block: how often each sample draws each user.

    A sample is `np.random.default_rng(seed).integers(n_users, size=n_users)`, the next one goes on with the same
    generator. A second thread makes the next block while the caller works on this one.

    Args:
        n_users: number of users to draw from, and draws of a sample; at least 1, less than 2^32.
        samples: number of samples in all.
        seed: of the generator.
        at_once: number of samples in a block, at least 1; the last block may be smaller.

    Yields:
        (n_block, n_users) uint8, rows sum to `n_users`; not to be written to. That is wide enough: a user is drawn 256
        times by a sample with a probability of less than 10^-500.
    """
    shared = _shared.get()
    if shared is None or n_users * samples > _GREATEST_KEPT:
        yield from _drawn(n_users, samples, seed, at_once)
        return
    key = (n_users, samples, seed, at_once)
    if key in shared:
        shared.move_to_end(key)
        yield from shared[key]
        return
    blocks = []
    for block in _drawn(n_users, samples, seed, at_once):
        blocks.append(block)
        yield block
    shared[key] = blocks
    while len(shared) > _KEPT:
        shared.popitem(last=False)


def _drawn(n_users: int, samples: int, seed: int | tuple[int, ...], at_once: int) -> Iterator[Counts]:
    """Draw the blocks of `sample_counts`, each ahead of its use."""
    draws = _Draws(n_users, seed)
    sizes = [min(at_once, samples - start) for start in range(0, samples, at_once)]
    with ThreadPoolExecutor(1, thread_name_prefix="bootstrap") as worker:
        coming = worker.submit(draws.count, sizes[0])
        for size in sizes[1:]:
            block = coming.result()
            coming = worker.submit(draws.count, size)
            yield block
        yield coming.result()


class _Draws:
    """The generator, and the random words of 32 bits that it has made but no sample has used yet."""

    def __init__(self, n_users: int, seed: int | tuple[int, ...]) -> None:
        self._n_users = n_users
        self._reject_below = np.uint32(_WORDS % n_users)
        self._rng = np.random.default_rng(seed)
        self._words = np.empty(0, np.uint32)

    def count(self, n: int) -> Counts:
        """Return the next n samples, (n, n_users)."""
        counts = np.zeros((n, self._n_users), np.uint8)
        at_once = max(1, _WORDS_AT_ONCE // self._n_users)
        for first in range(0, n, at_once):
            self._add_draws(counts[first : first + at_once])
        return counts

    def _add_draws(self, counts: Counts) -> None:
        """Count the draws of the next samples into the zeros of `counts`, (n, n_users)."""
        starts = np.empty(len(counts) + 1, np.int64)
        while not _find_starts(self._words, self._n_users, self._reject_below, starts):
            self._make_words(counts.size - len(self._words))
        _count(self._words, starts, self._reject_below, counts)
        self._words = self._words[starts[-1] :]

    def _make_words(self, missing: int) -> None:
        """Add more than `missing` words, in the order in which numpy takes them: first the low half of 64 bits."""
        n = max(missing, 0) // 2 + 64
        made = self._rng.integers(0, _MOST, size=n, dtype=np.uint64, endpoint=True)
        halves = made.astype("<u8", copy=False).view("<u4").astype(np.uint32, copy=False)
        self._words = np.concatenate([self._words, halves]) if len(self._words) else halves


@numba.njit(nogil=True, cache=True)
def _find_starts(words, n, reject_below, starts):  # type: ignore[no-untyped-def]
    """Fill in the place of each sample's first word, and the end of the last one; return whether there were enough."""
    end = 0
    for sample in range(len(starts) - 1):
        starts[sample] = end
        missing = n
        while missing:
            begin, end = end, end + missing
            if end > len(words):
                return False
            missing = _count_rejected(words[begin:end], n, reject_below)
    starts[-1] = end
    return True


@numba.njit(nogil=True, cache=True)
def _count_rejected(words, n, reject_below):  # type: ignore[no-untyped-def]
    """Return how many words numpy would replace by the next one, because some numbers would come up more often."""
    rejected = 0
    for word in words:
        rejected += np.uint32(word * np.uint32(n)) < reject_below
    return rejected


@numba.njit(nogil=True, cache=True)
def _count(words, starts, reject_below, counts):  # type: ignore[no-untyped-def]
    """Add how often each user was drawn to counts (n_samples, n), sample s by the words from starts[s] on."""
    n = np.uint64(counts.shape[1])
    for sample in range(len(counts)):
        row = counts[sample]
        for place in range(starts[sample], starts[sample + 1]):
            product = np.uint64(words[place]) * n
            if np.uint32(product) >= reject_below:
                row[product >> np.uint64(32)] += 1
