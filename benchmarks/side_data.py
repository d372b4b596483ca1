"""Read what benchmarks know beside interactions: links of users, relations of items, attributes of items."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.interactions import Interactions
from models.relations import Relations
from tasks.errors import UsageError

_ITEM = "item:"

Read = TypeVar("Read")


def side_data_arguments(parser: argparse.ArgumentParser, *, links: bool = True) -> None:
    """Add --attributes, --relations and, with `links`, --links to a parser."""
    if links:
        parser.add_argument(
            "--links", type=Path, metavar="FILE", help="lines `user friend [weight]`: mutual friends"
        )
    parser.add_argument(
        "--relations",
        type=Path,
        metavar="FILE",
        help="tab-separated lines `head relation tail`; a node item:17 is item 17, any other text an entity",
    )
    parser.add_argument(
        "--attributes", type=Path, metavar="FILE", help="JSON: an object of item to list of attributes"
    )


def with_side_data(data: Interactions, asked: argparse.Namespace) -> Interactions:
    """Return `data` with what the files name that `side_data_arguments` asked for.

    Raises:
        UsageError: a file cannot be read.
    """
    found: dict[str, Any] = {}
    if getattr(asked, "links", None):
        found["links"] = read_links(asked.links, data.n_users)
    if asked.relations:
        found["relations"] = read_relations(asked.relations, data.n_items)
    if asked.attributes:
        found["item_features"], found["feature_names"] = read_attributes(asked.attributes, data.n_items)
    return replace(data, **found)


def read_links(path: Path, n_users: int) -> sparse.csr_array:
    """Return lines `user friend [weight]` as a symmetric (n_users, n_users) float32 matrix without a diagonal.

    Of a pair that is named several times, in either order, the greatest weight counts. Links of users from `n_users` on
    are left out.

    Raises:
        UsageError: the file cannot be read, or a line is no such line.
    """
    rows = [
        (int(user), int(friend), float(*weight or "1"))
        for user, friend, *weight in _lines(path, "user friend [weight]", lambda line: _links(line.split()))
    ]
    users, friends, weights = (np.array(column) for column in zip(*rows, strict=True))
    kept = (users != friends) & (np.maximum(users, friends) < n_users)
    pair = (weights[kept].astype(np.float32), (users[kept], friends[kept]))
    one_way = sparse.coo_array(pair, shape=(n_users, n_users))
    found = _greatest(one_way)
    both = found.maximum(sparse.csr_array(found.T))
    both.sort_indices()
    return both


def read_relations(path: Path, n_items: int) -> Relations:
    """Return tab-separated lines `head relation tail`; facts about items from `n_items` on are left out.

    Raises:
        UsageError: the file cannot be read, or a line is no such line.
    """
    rows = _lines(path, "head<tab>relation<tab>tail", lambda line: _three(line.split("\t")))
    item = [[_item_of(row[0]), _item_of(row[2])] for row in rows]
    kept = [row for row, nodes in zip(rows, item, strict=True) if max(nodes) < n_items]
    names = sorted({row[1] for row in kept})
    entities = sorted({node for row in kept for node in (row[0], row[2]) if _item_of(node) < 0})
    node = {name: n_items + at for at, name in enumerate(entities)}
    relation = {name: at for at, name in enumerate(names)}

    def index(name: str) -> int:
        return node[name] if name in node else _item_of(name)

    triples = [(index(head), relation[name], index(tail)) for head, name, tail in kept]
    found = np.unique(np.array(triples, np.int32).reshape(-1, 3), axis=0)
    return Relations(found, n_items, tuple(names), tuple(entities))


def read_attributes(path: Path, n_items: int) -> tuple[sparse.csr_array, tuple[str, ...]]:
    """Return the attributes of items as (n_items, n_attributes) float32 ones, and their names `attribute:…`.

    Items from `n_items` on are left out.

    Raises:
        UsageError: the file is no JSON object of item to list.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        of_item = {int(item): [f"attribute:{name}" for name in names] for item, names in listed.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{path} is not a readable JSON object of item to list of attributes: {error}."
        ) from None
    pairs = [(item, name) for item, names in of_item.items() if 0 <= item < n_items for name in names]
    names, column = np.unique([name for _, name in pairs], return_inverse=True)
    place = np.array([item for item, _ in pairs], np.int64), column
    matrix = sparse.csr_array((np.ones(len(pairs), np.float32), place), shape=(n_items, len(names)))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix, tuple(names.tolist())


def _lines(path: Path, form: str, read: Callable[[str], Read]) -> list[Read]:
    """Return every line that is not blank, read by `read`, which raises a ValueError for a line of another form."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(read(line))
            except ValueError:
                raise UsageError(f"Line {number} of {path} is {line!r}, not `{form}`.") from None
    if not found:
        raise UsageError(f"{path} is empty.")
    return found


def _links(words: list[str]) -> list[str]:
    user, friend, *weight = words
    if len(weight) > 1 or min(int(user), int(friend)) < 0 or not 0 < float(*weight or "1") < np.inf:
        raise ValueError
    return words


def _three(words: list[str]) -> tuple[str, str, str]:
    head, relation, tail = words
    _item_of(head), _item_of(tail)
    return head, relation, tail


def _item_of(node: str) -> int:
    """Return 17 for `item:17`, −1 for an entity; raise a ValueError for `item:x`."""
    return int(node.removeprefix(_ITEM)) if node.startswith(_ITEM) else -1


def _greatest(pairs: sparse.coo_array) -> sparse.csr_array:
    """Return the matrix with the greatest of the values of each repeated pair, not their sum."""
    row, column, data = pairs.row, pairs.col, pairs.data
    order = np.lexsort((data, column, row))
    row, column, data = row[order], column[order], data[order]
    last: NDArray[np.bool_] = np.append((np.diff(row) != 0) | (np.diff(column) != 0), True)
    return sparse.csr_array((data[last], (row[last], column[last])), shape=pairs.shape)
