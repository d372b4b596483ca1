"""How many actors share the blocks of a fit, by the room that the nodes of a cluster have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Room(NamedTuple):
    """CPUs and memory of one node."""

    cpus: float
    memory_mb: float


def n_actors(rooms: Iterable[Room], n_blocks: int, *, cpus: int, memory_mb: Callable[[int], float]) -> int:
    """Return the greatest number of actors that find room at once, at most one a block; 0 if not even one does.

    Args:
        rooms: of the nodes.
        n_blocks: which the actors share; with fewer actors each needs more memory.
        cpus: that an actor asks for.
        memory_mb: what an actor asks for that holds so many blocks.
    """
    nodes = list(rooms)
    for actors in range(n_blocks, 0, -1):
        asked = memory_mb(blocks_each(n_blocks, actors))
        if sum(min(int(node.cpus // cpus), int(node.memory_mb // asked)) for node in nodes) >= actors:
            return actors
    return 0


def blocks_each(n_blocks: int, actors: int) -> int:
    """Return how many blocks the actor with most of them holds."""
    return -(-n_blocks // actors)
