"""The engine of one machine: everything runs in this process, one block after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from models.row_blocks import InProcess
from tasks.engine.engine import BlockedFit, BlockWork, MakeTable, Rows
from tasks.storage.stage import Stage

R = TypeVar("R")


class Local:
    """Runs the work where it is asked for; see `Engine`."""

    def run(self, stage: Stage[..., R], arguments: Mapping[str, Any], supplied: Mapping[str, Any]) -> R:
        """Call the function of a stage."""
        return stage.function(**arguments, **supplied)

    def tables(
        self,
        work: BlockWork[Any],
        blocks: Sequence[Rows],
        scratch: Path,  # noqa: ARG002  (nothing is written)
        *,
        opened: MakeTable | None = None,
    ) -> Iterator[pa.Table]:
        """Yield the tables of the blocks."""
        make = work.open(work.job) if opened is None else opened
        for rows in blocks:
            yield make(rows)

    def runner(self, work: BlockedFit) -> InProcess:
        """Return what makes the blocks of a fit in this process."""
        return InProcess(work.n_blocks, work.scratch)


LOCAL = Local()
