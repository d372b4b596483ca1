"""Fits whose rows lie in blocks, each a part of the users and items, in one process or on many machines.

A block is an object of a model's own class. A model says what its blocks do, by the names of their methods; a `Runner`
says where they live. What they hand each other passes through `Blocks.exchange`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

R = TypeVar("R")

MakeBlock = Callable[[sparse.csr_array, int], Any]
"""Makes a block from its rows of the training matrix and its number. A class or function of a module."""


class Blocks(Protocol):
    """The blocks of one fit, in order."""

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of every block, which may run at the same time, and return its results in order of blocks."""

    def in_turn(self, method: str, *arguments: Any) -> None:
        """Call a method of one block after the other, in order."""

    def exchange(self, send: str, take: str, *arguments: Any, about: Sequence[Any] = ()) -> None:
        """Let every block send something to every block, itself included.

        Args:
            send: method of the sender, called with `about`. It returns an iterable of what it sends to each block, in
                their order; an array that is the same object for several is moved once to each machine.
            take: method of the receiver. Its first argument iterates over what the blocks sent to it, in their
                order, and may be read-only; `arguments` follow.
            arguments: for the receivers.
            about: for the senders.
        """


class Runner(Protocol):
    """Makes blocks somewhere, and lets a fit work with them."""

    @property
    def folder(self) -> Path:
        """An existing folder that all blocks can write to; files in it are removed when the fit is saved."""

    @property
    def n_blocks(self) -> int:
        """How many blocks there are. The result depends on it, and not on where they live."""

    def run(
        self, make: MakeBlock, matrix: sparse.csr_array, work: Callable[[Blocks, NDArray[np.int64]], R]
    ) -> R:
        """Make the blocks, each of some rows of a matrix, and return what `work` returns.

        Args:
            make: makes a block.
            matrix: (m, n), the training matrix.
            work: called with the blocks and the row at which each begins, m at the end: (n_blocks + 1,). It is called
                again, with new blocks, if some were lost meanwhile.
        """


class FitsInBlocks:
    """A model that can be fitted in blocks.

    Attributes:
        runner: where its blocks live; None: it is fitted as a whole.
    """

    runner: Runner | None = None


def cuts_of(weights: NDArray[Any], n_blocks: int) -> NDArray[np.int64]:
    """Cut rows into blocks of about the same weight.

    Args:
        weights: (m,) of the rows, at least 0.
        n_blocks: how many; some are empty where there are fewer rows.

    Returns:
        (n_blocks + 1,) the first row of each block, and m.
    """
    before = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    inner = np.searchsorted(before, before[-1] * np.arange(1, n_blocks) / n_blocks)
    return np.concatenate([[0], np.minimum(inner, len(weights)), [len(weights)]]).astype(np.int64)


def rows_between(matrix: sparse.csr_array, start: int, stop: int) -> sparse.csr_array:
    """Return a copy of some rows; of a memory-mapped matrix no others are read."""
    low, high = int(matrix.indptr[start]), int(matrix.indptr[stop])
    indptr = (matrix.indptr[start : stop + 1] - low).astype(matrix.indices.dtype)
    parts = (np.array(matrix.data[low:high]), np.array(matrix.indices[low:high]), indptr)
    return sparse.csr_array(parts, shape=(stop - start, matrix.shape[1]))


class InProcess:
    """Keeps all blocks in this process, and works on one after the other; see `Runner` and `Blocks`."""

    def __init__(self, n_blocks: int, folder: Path) -> None:
        self.n_blocks, self.folder = n_blocks, folder
        self._blocks: list[Any] = []

    def run(
        self, make: MakeBlock, matrix: sparse.csr_array, work: Callable[[Blocks, NDArray[np.int64]], R]
    ) -> R:
        """Make the blocks and call `work`."""
        cuts = cuts_of(np.diff(matrix.indptr) + 1, self.n_blocks)
        self._blocks = [
            make(rows_between(matrix, start, stop), number)
            for number, (start, stop) in enumerate(pairwise(cuts.tolist()))
        ]
        return work(self, cuts)

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of every block."""
        return [getattr(block, method)(*arguments) for block in self._blocks]

    def in_turn(self, method: str, *arguments: Any) -> None:
        """Call a method of every block."""
        self.call(method, *arguments)

    def exchange(self, send: str, take: str, *arguments: Any, about: Sequence[Any] = ()) -> None:
        """Call `send` of every block, then `take` of every block."""
        sent = [[*each] for each in self.call(send, *about)]
        for number, block in enumerate(self._blocks):
            pieces: Iterable[Any] = (each[number] for each in sent)
            getattr(block, take)(pieces, *arguments)
