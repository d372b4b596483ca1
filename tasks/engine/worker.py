"""The functions that run on a worker, which finds them by their names; they know nothing of Ray.

A worker has the code of its own machine. It refuses work if that is not the code of the night, byte for byte: results
are stored under keys that contain a hash of the source.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Generic, TypeVar

import pyarrow as pa

from tasks.engine.engine import BlockWork, MakeTable, Rows
from tasks.engine.shared_artifacts import SharedArtifacts, with_artifacts_at_hand
from tasks.errors import NightError
from tasks.monitoring.memory import peak_mb, reset_peak
from tasks.storage.cache_key import SOURCE, library_versions
from tasks.storage.stage import Stage

R = TypeVar("R")


@dataclass(frozen=True)
class StageTask(Generic[R]):
    """One call of a stage for a worker.

    Attributes:
        stage: the name of the stage's function, as `Stage.address`.
        arguments, supplied: its parameters.
        code: what `code_of` said where the night runs.
        artifacts: where those are that it names; None: in folders that the worker sees.
    """

    stage: str
    arguments: Mapping[str, Any]
    supplied: Mapping[str, Any]
    code: str
    artifacts: SharedArtifacts | None = None

    @property
    def stage_name(self) -> str:
        """Name of the stage in reports."""
        return self.find().name

    def find(self) -> Stage[..., R]:
        """Return the stage."""
        found: Stage[..., R] = resolve_name(self.stage)
        return found


@dataclass(frozen=True)
class BlockTask:
    """One block of work for a worker.

    Attributes:
        work: what to do.
        rows: of which rows.
        path: where to write the table, in a folder that the night reads.
        code, artifacts: as of `StageTask`.
    """

    work: BlockWork[Any]
    rows: Rows
    path: Path
    code: str
    artifacts: SharedArtifacts | None = None


@dataclass(frozen=True)
class Warned:
    """A warning that was logged on a worker."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True)
class Report(Generic[R]):
    """The outcome of one piece of work.

    Attributes:
        result: what it returned.
        peak_mb: the greatest size of the worker's process meanwhile.
        warnings: what was warned of, for the log of the night.
    """

    result: R
    peak_mb: float
    warnings: tuple[Warned, ...] = ()


class StageFailedError(Exception):
    """A stage raised `error` on a worker; `warnings` are those that came before it."""

    def __init__(self, error: Exception, warnings: tuple[Warned, ...]) -> None:
        super().__init__(error, warnings)
        self.error, self.warnings = error, warnings


@with_artifacts_at_hand
def run_stage(task: StageTask[R]) -> Report[R]:
    """Run the function of a stage here.

    Raises:
        StageFailedError: it raised an error.
        NightError: this machine has other code than the night.
    """
    stage = task.find()
    require_same_code(task.code, code_of(*stage.modules(task.arguments)))
    reset_peak()
    with _collected() as warnings:
        try:
            result = stage.function(**task.arguments, **task.supplied)
        except Exception as error:
            raise StageFailedError(error, tuple(warnings)) from error
    return Report(result, peak_mb(), tuple(warnings))


@with_artifacts_at_hand
def write_block(task: BlockTask) -> Report[int]:
    """Write the table of a block as an Arrow file, and return how many rows it has.

    The file appears as a whole: a worker that dies leaves one that nobody reads.

    Raises:
        NightError: this machine has other code than the night.
    """
    require_same_code(task.code, code_of(*task.work.modules))
    reset_peak()
    with _collected():  # the night itself has opened the same, and warned of it
        make = _opened.get(task.work)
    with _collected() as warnings:
        table = make(task.rows)
    partial = task.path.with_name(f".{task.path.name}.{os.uname().nodename}-{os.getpid()}")
    with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    partial.replace(task.path)
    return Report(table.num_rows, peak_mb(), tuple(warnings))


def read_block(path: Path) -> pa.Table:
    """Return the table of a file that `write_block` wrote, memory-mapped, and remove the file's name."""
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    path.unlink()
    return table


def code_of(*modules: str) -> str:
    """Return a text that is the same where modules have the same source, with all they import, and libraries."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(library_versions().items()))
    return f"source {SOURCE.hash(*modules)[:12]}, {versions}"


def require_same_code(night: str, here: str) -> None:
    """Raise a NightError if what `code_of` says of the night and of this machine is not the same."""
    if here != night:
        raise NightError(
            f"The worker on {os.uname().nodename} has other code than the night: {here} and not {night}.",
            "Install the same version of nightly-recs and of its libraries on every node, and restart Ray there.",
        )


class _Opened:
    """The inputs that were opened last in this process: the blocks of one piece of work open them once."""

    def __init__(self) -> None:
        self._work: BlockWork[Any] | None = None
        self._make: MakeTable | None = None

    def get(self, work: BlockWork[Any]) -> MakeTable:
        if self._make is None or work != self._work:
            self._work = self._make = None  # free the old before the new takes memory
            self._make = work.open(work.job)
            self._work = work
        return self._make


_opened = _Opened()


class _Collector(logging.Handler):
    """Keeps records of our own loggers as texts."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[Warned] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(Warned(record.name, record.levelno, record.getMessage()))


@contextmanager
def _collected() -> Iterator[list[Warned]]:
    """Collect the warnings of models/ and tasks/ inside this context instead of printing them."""
    collector, loggers = _Collector(), [logging.getLogger(name) for name in ("models", "tasks")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(collector)
        logger.propagate = False
    try:
        yield collector.found
    finally:
        for logger, propagated in zip(loggers, before, strict=True):
            logger.removeHandler(collector)
            logger.propagate = propagated
