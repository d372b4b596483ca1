"""Fits in blocks on Ray: the blocks of a model live on actors, and hand each other arrays through the object store.

If a node or an actor dies, the fit starts again from its beginning with new actors, on the nodes that are left: its
blocks are gone, and to keep them after every round would take longer than the few rounds that a fit has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import ray
from numpy.typing import NDArray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from scipy import sparse

from models.interactions import load_matrix, save_matrix
from models.row_blocks import Blocks, MakeBlock, cuts_of, rows_between
from tasks.config.engine_settings import EngineSettings
from tasks.engine.actor_plan import Room, blocks_each, n_actors
from tasks.engine.engine import BlockedFit, Rows
from tasks.engine.ray_errors import first_line, lost
from tasks.engine.worker import code_of, require_same_code
from tasks.errors import NightError
from tasks.monitoring.memory import peak_mb, reset_peak

R = TypeVar("R")

_MB = 2**20
_LOOK_AGAIN = 5  # seconds: a node may die, or another come, while a fit waits for room

log = logging.getLogger(__name__)


class BlocksLostError(Exception):
    """An actor died, and its blocks with it."""


class RowsTask(NamedTuple):
    """Blocks that an actor is to make and hold.

    Attributes:
        make: makes a block.
        folder, name: where the training matrix lies.
        rows: of each block that the actor holds, by its number.
        code: what `code_of` said where the night runs.
    """

    make: MakeBlock
    folder: Path
    name: str
    rows: Mapping[int, Rows]
    code: str


class BlockHolder:
    """An actor that holds some blocks. One call runs at a time, and none waits for another actor."""

    def __init__(self) -> None:
        reset_peak()
        self._blocks: dict[int, Any] = {}

    def make(self, task: RowsTask) -> None:
        """Read the rows of the blocks and make these.

        Raises:
            NightError: this machine has other code than the night.
        """
        require_same_code(task.code, code_of(task.make.__module__))
        matrix = load_matrix(task.folder, task.name)
        self._blocks = {n: task.make(rows_between(matrix, *rows), n) for n, rows in task.rows.items()}

    def call(self, number: int, method: str, arguments: tuple[Any, ...]) -> Any:
        """Call a method of a block."""
        return getattr(self._blocks[number], method)(*arguments)

    def send(self, number: int, method: str, arguments: tuple[Any, ...]) -> list[Any]:
        """Put what a block sends to each block into the object store, and return the references.

        An array that is sent to several blocks is stored once. No array is kept here when it is stored.
        """
        stored: dict[int, Any] = {}
        # By id, which a later array may have again
        alive: WeakValueDictionary[int, Any] = WeakValueDictionary()
        found = []
        for piece in getattr(self._blocks[number], method)(*arguments):
            if alive.get(id(piece)) is not piece:
                stored[id(piece)] = ray.put(piece)
                if isinstance(piece, np.ndarray):
                    alive[id(piece)] = piece
            found.append(stored[id(piece)])
        return found

    def take(self, number: int, method: str, pieces: list[Any], arguments: tuple[Any, ...]) -> None:
        """Let a block take what was sent to it, of which one piece after the other is fetched."""
        getattr(self._blocks[number], method)((ray.get(piece) for piece in pieces), *arguments)

    def peak_mb(self) -> float:
        """Return the greatest size of this process, in MB."""
        return peak_mb()


class OnActors:
    """The blocks of one fit, on their actors; see `Blocks`.

    Args:
        actors: of `BlockHolder`.
        n_blocks: how many blocks they share, in turn.
    """

    def __init__(self, actors: Sequence[Any], n_blocks: int) -> None:
        self._of = [actors[number % len(actors)] for number in range(n_blocks)]

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method of every block."""
        shared = ray.put(arguments)
        return _got([actor.call.remote(number, method, shared) for number, actor in enumerate(self._of)])

    def in_turn(self, method: str, *arguments: Any) -> None:
        """Call a method of one block after the other."""
        for number, actor in enumerate(self._of):
            _got([actor.call.remote(number, method, arguments)])

    def exchange(self, send: str, take: str, *arguments: Any, about: Sequence[Any] = ()) -> None:
        """Let every block send, then every block take."""
        asked, shared = ray.put(tuple(about)), ray.put(arguments)
        sent = _got([actor.send.remote(number, send, asked) for number, actor in enumerate(self._of)])
        _got([
            actor.take.remote(number, take, [each[number] for each in sent], shared)
            for number, actor in enumerate(self._of)
        ])  # fmt: skip


@dataclass
class RayRunner:
    """Makes the blocks of a fit on the nodes of a cluster; see `Runner`.

    Attributes:
        work: the fit.
        settings: the table `[engine]`.
        variables: of the environment of the actors.
        note: told the greatest size of each actor's process, and what was asked for, in MB.
    """

    work: BlockedFit
    settings: EngineSettings
    variables: Mapping[str, str]
    note: Callable[[float, float], None]

    @property
    def folder(self) -> Path:
        """The folder of the fit."""
        return self.work.scratch

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return self.work.n_blocks

    def run(
        self, make: MakeBlock, matrix: sparse.csr_array, work: Callable[[Blocks, NDArray[np.int64]], R]
    ) -> R:
        """Make the blocks and call `work`, again if an actor died, at most `engine.retries` times.

        Raises:
            NightError: no node is large enough, or actors died too often.
        """
        cuts = cuts_of(np.diff(matrix.indptr) + 1, self.n_blocks)
        folder, name = self.work.folder, self.work.name
        if matrix is not self.work.stored:  # the model has changed it
            folder = self.folder
            save_matrix(folder, name, matrix)
        for left in range(self.settings.retries, -1, -1):
            try:
                with self._actors() as (actors, memory_mb):
                    code = code_of(make.__module__)
                    rows = [Rows(*each) for each in pairwise(cuts.tolist())]
                    _got([
                        actor.make.remote(
                            RowsTask(make, folder, name, dict([*enumerate(rows)][first :: len(actors)]), code)
                        )
                        for first, actor in enumerate(actors)
                    ])  # fmt: skip
                    found = work(OnActors(actors, self.n_blocks), cuts)
                    for peak in _got([actor.peak_mb.remote() for actor in actors]):
                        self.note(peak, memory_mb)
                    return found
            except BlocksLostError as failed:
                if not left:
                    raise lost(failed) from failed
                log.warning("%s starts again, because blocks of it are gone: %s.", self.work.label, failed)
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _actors(self) -> Iterator[tuple[list[Any], float]]:
        """Start actors for all blocks at once, and end them when the context ends; with the MB that each asks for."""
        group, n_held = self._room()
        memory_mb = self.work.memory_mb(n_held)
        try:
            yield [
                ray.remote(BlockHolder).options(
                    num_cpus=self.settings.fit_cpus,
                    memory=int(memory_mb * _MB),
                    runtime_env={"env_vars": dict(self.variables)},
                    scheduling_strategy=PlacementGroupSchedulingStrategy(group, place),
                ).remote()
                for place in range(group.bundle_count)
            ], memory_mb  # fmt: skip
        finally:
            remove_placement_group(group)

    def _room(self) -> tuple[PlacementGroup, int]:
        """Wait until there is room for actors; return it, and how many blocks the fullest of them holds."""
        group, n_before = None, 0
        while True:
            n_wanted = self._n_actors()
            if group is None or n_wanted != n_before:
                if group is not None:
                    remove_placement_group(group)
                asked = self.work.memory_mb(blocks_each(self.n_blocks, n_wanted))
                bundle = {"CPU": float(self.settings.fit_cpus), "memory": float(int(asked * _MB))}
                group, n_before = placement_group([bundle] * n_wanted, strategy="SPREAD"), n_wanted
            if group.wait(_LOOK_AGAIN):
                return group, blocks_each(self.n_blocks, n_wanted)
            log.debug("%s waits for room for %d actors.", self.work.label, n_wanted)

    def _n_actors(self) -> int:
        """Return how many actors the cluster has room for.

        Raises:
            NightError: for none.
        """
        cpus, alive = self.settings.fit_cpus, [node["Resources"] for node in ray.nodes() if node["Alive"]]
        rooms = [Room(node.get("CPU", 0), node.get("memory", 0) / _MB) for node in alive]
        found = n_actors(rooms, self.n_blocks, cpus=cpus, memory_mb=self.work.memory_mb)
        if found:
            return found
        there = "; ".join(f"{room.cpus:g} CPUs and {room.memory_mb:,.0f} MB" for room in rooms)
        raise NightError(
            f"The Ray cluster has no room for the {self.n_blocks} blocks of {self.work.label}: each asks for {cpus} "
            f"CPUs and {self.work.memory_mb(1):,.0f} MB. Its nodes have {there or 'nothing'}.",
            "Add nodes, raise engine.als_blocks, or lower engine.fit_cpus or the factors of the model.",
        )


def _got(references: Sequence[Any]) -> list[Any]:
    """Wait for calls of actors and return their results; raise the error that one raised.

    Raises:
        BlocksLostError: an actor died, or what it had sent is gone.
    """
    try:
        found: list[Any] = ray.get(list(references))
    except ray.exceptions.RayTaskError as failed:
        if isinstance(failed.cause, ray.exceptions.RayError):
            raise BlocksLostError(first_line(failed.cause)) from None
        raise failed.cause from None
    except ray.exceptions.RayError as failed:
        raise BlocksLostError(first_line(failed)) from None
    return found
