"""`manifest.json` of an export: everything that an application must know to use the files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from models.export.exportable import Export
from models.export.onnx_file import Axes
from models.retrieval.ann_index import LENGTH, Measured
from tasks.export.extras import versions
from tasks.reporting.find_model import FoundModel

FORMAT = 1
"""Version of the layout; it rises when an application must change."""

ENCODER, CONTEXT_ENCODER, SCORER = "user_encoder.onnx", "user_encoder_with_context.onnx", "scorer.onnx"
VECTORS, BIAS, ITEMS, INDEX = "item_vectors.npy", "item_bias.npy", "items.parquet", "items.faiss"
MANIFEST = "manifest.json"

_MEANINGS = {
    "items": "the user's items as numbers: row of items.parquet + 1, oldest first; 0 is padding",
    "recent": "the items of the user's latest events of any kind within `days`, at most `most`, as numbers; 0 is "
    "padding; their order does not matter",
    "clock": "log(1 + number of items in `recent`), log(1 + number of all events before now), sin and cos of 2π · hour "
    "of the last event / 24, sin and cos of 2π · its weekday / 7 (UTC, Monday is 0); all 0 without any event",
    "user": "the user's vector; all 0 for a user without any known item",
    "candidates": "items to score as numbers: row of items.parquet + 1",
    "scores": "a score of each candidate; -inf for padding and for items that the model does not know",
}

_COLUMNS = {
    "row": "row of the item in the arrays; its number in histories is row + 1",
    "item_id": "its id in your data",
    "is_known": "whether the model knows it; others are never to be listed",
    "title": "its title, if it has one",
}


@dataclass(frozen=True)
class Graph:
    """A file of ONNX: its inputs and its output, by name."""

    file: str
    inputs: Mapping[str, Axes]
    output: Mapping[str, Axes]

    def described(self) -> dict[str, Any]:
        """Return the entry of the manifest."""
        return {"file": self.file, "inputs": _described(self.inputs), "outputs": _described(self.output)}


@dataclass(frozen=True)
class Check:
    """How well the files agree with the model: the greatest difference of a score, of so many users."""

    users: int
    greatest_difference: float


@dataclass(frozen=True)
class Manifest:
    """The contents of `manifest.json`.

    Attributes:
        model: the fitted model, of its run.
        config: its hyperparameters.
        n_items: rows of items.parquet.
        export: the parts that were written.
        graphs: by their entry in the manifest.
        check: how well the files agree with the model.
        context: limits of the input `recent`, of a model that has it.
        index: how the index does, if there is one.
    """

    model: FoundModel
    config: Mapping[str, Any]
    n_items: int
    export: Export
    graphs: Mapping[str, Graph]
    check: Check
    context: Mapping[str, float] = field(default_factory=dict)
    index: Measured | None = None

    def described(self, folder: Path) -> dict[str, Any]:
        """Return the manifest of the files in `folder`."""
        run = self.model.run
        made = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        about: dict[str, Any] = {
            "format": FORMAT,
            "model": self.model.fitted.model,
            "config": dict(self.config),
            "dataset": run.dataset,
            "run_id": run.run_id,
            "data_until": None if run.data_until is None else run.data_until.isoformat(),
            "snapshot": self.model.snapshot.key,
            "fitted_on": self.model.fitted_on,
            "exported_at": made.isoformat(),
            "n_items": self.n_items,
            "history": self._history(),
            **{name: graph.described() for name, graph in self.graphs.items()},
            "items": {
                "file": ITEMS,
                "columns": {name: _COLUMNS[name] for name in pq.read_schema(folder / ITEMS).names},
            },
            "scoring": self._scoring(),
        }
        if self.context:
            about["context"] = dict(self.context)
        if self.index is not None:
            about["ann"] = self._ann(self.index)
        about["check"] = asdict(self.check)
        about["versions"] = dict(versions())
        about["files"] = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
        return about

    def _history(self) -> dict[str, Any]:
        return {
            "padding": 0,
            "padding_side": "any",
            "order": "oldest first" if self.export.reads_order else "does not matter",
            "latest": self.export.latest,
            "repeated_items": "the last time counts",
            "unknown_items": "ignored; so are numbers that no item has",
        }

    def _scoring(self) -> dict[str, Any]:
        leave_out = "leave out what the user has, and items that you must not show"
        if self.export.scorer is not None:
            return {"kind": "scorer", "how": f"scores = {SCORER}(user, candidates); {leave_out}"}
        return {
            "kind": "product",
            "how": f"scores = user @ item_vectors.T + item_bias; {leave_out}",
            "item_vectors": VECTORS,
            "item_bias": BIAS,
        }

    def _ann(self, index: Measured) -> dict[str, Any]:
        return {
            "file": INDEX,
            "read_with": "faiss.read_index",
            "query": "the user's vector with a 1 appended, float32; results are rows of items.parquet",
            "cells": index.cells,
            "probes": index.probes,
            f"recall@{LENGTH}": round(index.recall, 4),
            "measured_on_users": index.n_queries,
            "ms_per_user": round(index.ms, 3),
            "exact_ms_per_user": round(index.exact_ms, 3),
        }


def _described(tensors: Mapping[str, Axes]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": list(axes.shape),
            "dtype": str(axes.dtype).removeprefix("torch."),
            "meaning": _MEANINGS[name],
        }
        for name, axes in tensors.items()
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
