"""Facts about items, a knowledge graph: triples of a head, a relation and a tail, such as `film directed_by person`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Relations:
    """Triples over nodes: the items of the snapshot come first, in their order, the other entities behind them.

    Attributes:
        triples: (n, 3) int32: node of the head, index of the relation, node of the tail. No triple is there twice.
        n_items: nodes below this number are items.
        relation_names: the relations, by their index.
        entity_names: the names of the nodes from `n_items` on.
    """

    triples: NDArray[np.int32]
    n_items: int
    relation_names: tuple[str, ...]
    entity_names: tuple[str, ...]

    def __post_init__(self) -> None:
        triples = np.asarray(self.triples)
        if triples.ndim != 2 or triples.shape[1] != 3 or triples.dtype != np.int32:
            raise ValueError(f"triples are {triples.dtype} {triples.shape}: make them int32 (n, 3)")
        limits = (self.n_nodes, len(self.relation_names), self.n_nodes)
        for name, column, limit in zip(("head", "relation", "tail"), triples.T, limits, strict=True):
            if column.size and not 0 <= column.min() <= column.max() < limit:
                raise ValueError(f"a {name} of the triples lies outside 0 to {limit - 1}")

    @property
    def n_nodes(self) -> int:
        """Number of items and other entities."""
        return self.n_items + len(self.entity_names)

    def save(self, folder: Path) -> None:
        """Write `relations.npy` and `relations.json` into an existing `folder`."""
        np.save(folder / "relations.npy", self.triples, allow_pickle=False)
        names = {"n_items": self.n_items, "relations": self.relation_names, "entities": self.entity_names}
        (folder / "relations.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Relations | None:
        """Read the files that `save` wrote into `folder`; None if there are none."""
        path = folder / "relations.json"
        if not path.exists():
            return None
        names = json.loads(path.read_text(encoding="utf-8"))
        triples = np.load(folder / "relations.npy", allow_pickle=False)
        return cls(triples, names["n_items"], tuple(names["relations"]), tuple(names["entities"]))
