"""Actors for the blocks of a fit, by the room of the nodes."""

import pytest

from tasks.engine.actor_plan import Room, blocks_each, n_actors


def planned(*rooms: tuple[float, float], n_blocks: int = 4, cpus: int = 1) -> int:
    """Return the number of actors where each takes 10 MB and 100 MB a block."""
    return n_actors(
        [Room(*room) for room in rooms], n_blocks, cpus=cpus, memory_mb=lambda held: 10.0 + 100 * held
    )


@pytest.mark.parametrize(
    ("rooms", "expected"),
    [
        ([(8, 1000)], 4),  # at most one a block
        ([(1, 1000), (1, 1000)], 2),
        ([(1, 1000)], 1),
        ([(0, 9000), (1, 450)], 1),  # a head without CPUs
        ([(8, 250), (8, 250)], 4),
        ([(8, 250), (1, 250)], 2),  # each of three would hold two blocks, 210 MB, and two find room
        ([(1, 250)], 0),
        ([], 0),
    ],
)
def test_as_many_actors_as_find_room(rooms: list[tuple[float, float]], expected: int) -> None:
    assert planned(*rooms) == expected


def test_actors_need_all_their_cpus_on_one_node() -> None:
    assert planned((3, 1000), (3, 1000), cpus=2) == 2
    assert planned((1, 1000), (1, 1000), cpus=2) == 0


def test_the_fullest_actor_holds_the_rest() -> None:
    assert [blocks_each(7, actors) for actors in (1, 2, 3, 7)] == [7, 4, 3, 1]
