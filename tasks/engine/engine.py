"""What every engine can do: run stages, and make tables block by block.

The work of a block is a plain function of a module whose argument is a small dataclass of references and settings. It
opens artifacts by their paths, memory-mapped, so that the same function runs in this process, on a worker of Ray, or
under any other scheduler that can call a function by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import pyarrow as pa
from scipy import sparse

from models.base import Progress
from models.row_blocks import Runner
from tasks.storage.stage import Stage

J = TypeVar("J")
R = TypeVar("R")


class Rows(NamedTuple):
    """A block of rows, from `start` to before `stop`."""

    start: int
    stop: int


MakeTable = Callable[[Rows], pa.Table]
"""Makes the table of a block. It depends on the block alone, not on blocks before it."""


@dataclass(frozen=True)
class BlockWork(Generic[J]):
    """Work that is done block by block.

    Attributes:
        open: a function of a module. It reads what all blocks need and returns the function that makes a block.
        job: its argument: references, settings and numbers, which can be pickled. Equal jobs open the same.
        memory_mb: what a process that does the work takes at most, about; 0: not known.
        also_runs: modules that the work runs beside that of `open`.
    """

    open: Callable[[J], MakeTable]
    job: J
    memory_mb: float = 0.0
    also_runs: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules whose source, with all they import, decides the tables."""
        return (self.open.__module__, *self.also_runs)


@dataclass(frozen=True)
class BlockedFit:
    """A fit of a model whose rows lie in blocks.

    Attributes:
        label: for people, such as `fit als`.
        n_blocks: how many.
        stored: the training matrix as it was read.
        folder: where it lies.
        name: of its file.
        scratch: an existing folder that every worker can write to, of this fit alone.
        memory_mb: what a process takes at most, about, that holds so many of the blocks.
    """

    label: str
    n_blocks: int
    stored: sparse.csr_array
    folder: Path
    name: str
    scratch: Path
    memory_mb: Callable[[int], float]


class Engine(Protocol):
    """Runs the work of a night."""

    def run(self, stage: Stage[..., R], arguments: Mapping[str, Any], supplied: Mapping[str, Any]) -> R:
        """Run the function of a stage and return its result; raise its error.

        Args:
            stage: the stage.
            arguments: what `Stage.bind` returned.
            supplied: the parameters that the night fills in, this engine among them.
        """

    def tables(
        self, work: BlockWork[Any], blocks: Sequence[Rows], scratch: Path, *, opened: MakeTable | None = None
    ) -> Iterator[pa.Table]:
        """Yield the tables of the blocks, in the order of `blocks`.

        Args:
            work: what to do.
            blocks: the rows of each block.
            scratch: an existing folder that every worker can write to; it is left as it was.
            opened: what `work.open` returned, if it is at hand in this process.
        """

    def runner(self, work: BlockedFit) -> Runner:
        """Return what makes the blocks of a fit."""


def blocks_of(n_rows: int, size: int) -> list[Rows]:
    """Return the blocks of `size` rows that `n_rows` rows are cut into; the last one may be smaller."""
    return [Rows(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def watched(
    tables: Iterator[pa.Table], blocks: Sequence[Rows], progress: Progress | None
) -> Iterator[pa.Table]:
    """Yield the tables of blocks, and say how many rows are done, and of how many, after each.

    Args:
        tables: of the blocks, in their order.
        blocks: their rows.
        progress: called as progress(done, total) where there are rows; None: nobody is told.
    """
    for rows, table in zip(blocks, tables, strict=True):
        yield table
        if progress is not None and rows.stop:
            progress(rows.stop, blocks[-1].stop)
