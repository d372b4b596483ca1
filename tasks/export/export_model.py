"""Write a fitted model as files of ONNX and arrays, compare them with the model, and describe them in a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from models.base import FloatArray, Recommender
from models.export.exportable import Export, Exportable
from models.export.onnx_file import Axes, write_onnx
from models.interactions import load_matrix
from models.new_users import NewUsers
from models.retrieval.ann_index import Measured, write_index
from models.sequence.histories import Histories
from tasks.artifacts import Snapshot
from tasks.datasets.atomic_folder import atomic_folder
from tasks.errors import NightError, UsageError
from tasks.export.manifest import (
    BIAS,
    CONTEXT_ENCODER,
    ENCODER,
    ITEMS,
    MANIFEST,
    SCORER,
    VECTORS,
    Check,
    Graph,
    Manifest,
)
from tasks.export.manifest import INDEX as INDEX_FILE
from tasks.export.titles import titles_of
from tasks.reporting.find_model import FoundModel
from tasks.storage.artifact_store import write_json
from tasks.training.load_model import load_model

_HISTORY = Axes(("batch", "length"), torch.int64)
_RECENT = Axes(("batch", "events"), torch.int64)
_CANDIDATES = Axes(("batch", "candidates"), torch.int64)
_CLOCK = Axes(("batch", 6), torch.float32)
_MOST_COMPARED, _MOST_QUERIES = 64, 500  # users
_LONGEST = 200  # items of their histories
_TOLERANCE = 1e-4  # of a score, relative to the greatest


@dataclass(frozen=True)
class Exported:
    """An export that was written.

    Attributes:
        folder: its folder.
        model: the fitted model.
        files: names and sizes in bytes, the manifest among them.
        check: how well the files agree with the model.
        index: how the index does, if one was asked for.
    """

    folder: Path
    model: FoundModel
    files: Mapping[str, int]
    check: Check
    index: Measured | None


def export_model(found: FoundModel, folder: Path, *, ann: bool = False) -> Exported:
    """Write a model into a folder, which appears complete or not at all.

    Args:
        found: the fitted model.
        folder: absent or empty.
        ann: whether to write an index for approximate nearest neighbours, too.

    Raises:
        UsageError: the folder holds something, or the model learned nothing, is of an earlier version, is too large for
            a file of ONNX, or has no vectors for an index.
        NightError: the files do not score as the model does, or the disk is full.
    """
    name = found.fitted.model
    model = load_model(found.fitted)
    if not found.fitted.learned or not model.known_items_.any():
        raise UsageError(f"{name} of run {found.run.run_id} learned nothing: there is nothing to export.")
    likes = _histories(found.snapshot)
    users = np.random.default_rng(0).permutation(np.flatnonzero(likes.lengths))
    compared = likes.latest(np.sort(users[:_MOST_COMPARED]), _LONGEST)
    expected = _expected(model, compared)
    assert isinstance(model, Exportable)  # noqa: S101  (`EXPORT` finds only such)
    export = model.exported()
    if ann and export.scorer is not None:
        raise UsageError(
            f"{name} has no vectors for an index: a score is the result of a small network, not a product.",
            "Leave --ann out, or take another model for the candidates and this one to rank them.",
        )
    with atomic_folder(folder) as place:
        graphs = _write_graphs(export, place, name)
        _write_items(found, model.known_items_, place)
        if export.scorer is None:
            np.save(place / VECTORS, export.item_vectors)
            np.save(place / BIAS, _bias(export, model))
        check = _compared(export, place, compared, expected)
        index = None
        if ann:
            asked = likes.latest(np.sort(users[:_MOST_QUERIES]), _LONGEST)
            queries = _run(place / ENCODER, {"items": asked})
            index = write_index(export.item_vectors, _bias(export, model), queries, place / INDEX_FILE)
        config = model.config.model_dump(mode="json")
        n_items = len(model.known_items_)
        limits = _context_limits(config) if export.context_encoder is not None else {}
        manifest = Manifest(found, config, n_items, export, graphs, check, limits, index)
        write_json(place / MANIFEST, manifest.described(place))
        files = {path.name: path.stat().st_size for path in sorted(place.iterdir())}
    return Exported(folder, found, files, check, index)


def _histories(snapshot: Snapshot) -> Histories:
    """Return the likes of the users, oldest first."""
    return Histories.of(load_matrix(snapshot.folder, "positive"), load_matrix(snapshot.folder, "timestamp"))


def _expected(model: Recommender, items: NDArray[np.int64]) -> FloatArray:
    """Return the model's own scores, (n, n_items), of new users with these histories."""
    new = NewUsers.of(list(items - 1), len(model.known_items_))
    try:
        return model.fold_in(new).score(np.arange(len(items)))
    except (NotImplementedError, AttributeError) as error:
        raise UsageError(
            f"{model.name} was fitted by an earlier version, which kept too little to export it.",
            "The next night that fits it keeps enough: recs run",
        ) from error


def _context_limits(config: Mapping[str, Any]) -> dict[str, float]:
    return {"days": config["context_days"], "most": config["context_items"]}


def _bias(export: Export, model: Recommender) -> FloatArray:
    """Return what is added to the products, (n_items,): −∞ for items that the model does not know."""
    bias = export.item_bias if export.item_bias.size else np.zeros(len(export.item_vectors), np.float32)
    return np.where(model.known_items_, bias, -np.inf).astype(np.float32)


def _write_graphs(export: Export, place: Path, name: str) -> dict[str, Graph]:
    """Write the files of ONNX; return what they are, by their entry in the manifest."""
    with torch.no_grad():
        width = export.encoder(_HISTORY.example).shape[1]
    user = Axes(("batch", width), torch.float32)
    items = {"items": _HISTORY}
    graphs: dict[str, tuple[torch.nn.Module, Graph]] = {
        "encoder": (export.encoder, Graph(ENCODER, items, {"user": user}))
    }
    if export.context_encoder is not None:
        inputs = items | {"recent": _RECENT, "clock": _CLOCK}
        graphs["context_encoder"] = (
            export.context_encoder,
            Graph(CONTEXT_ENCODER, inputs, {"user": user}),
        )
    if export.scorer is not None:
        asked = {"user": user, "candidates": _CANDIDATES}
        graphs["scorer"] = (export.scorer, Graph(SCORER, asked, {"scores": _as_floats(_CANDIDATES)}))
    for network, graph in graphs.values():
        try:
            write_onnx(network, graph.inputs, next(iter(graph.output)), place / graph.file)
        except ValueError as error:
            raise UsageError(
                f"{name}: {error}.", "Fewer items or a smaller `factors` make it smaller."
            ) from error
    return {entry: graph for entry, (_, graph) in graphs.items()}


def _as_floats(axes: Axes) -> Axes:
    return Axes(axes.shape, torch.float32)


def _write_items(found: FoundModel, known: NDArray[np.bool_], place: Path) -> None:
    """Write the map from rows of the arrays to ids, with titles."""
    ids = found.ids("item")
    columns = {"row": pa.array(np.arange(len(ids))), "item_id": ids, "is_known": pa.array(known)}
    if found.titles is not None:
        columns["title"] = titles_of(ids, found.titles)
    pq.write_table(pa.table(columns), place / ITEMS)


def _compared(export: Export, place: Path, items: NDArray[np.int64], expected: FloatArray) -> Check:
    """Score users with the files alone; return the greatest difference from the model's own scores.

    Raises:
        NightError: it is too great for an error of rounding.
    """
    if not len(items):
        return Check(0, 0.0)
    user = _run(place / ENCODER, {"items": items})
    if export.scorer is not None:
        everything = np.tile(np.arange(1, expected.shape[1] + 1), (len(items), 1))
        scores = _run(place / SCORER, {"user": user, "candidates": everything})
    else:
        scores = user @ np.load(place / VECTORS).T + np.load(place / BIAS)
    known = np.isfinite(expected)
    difference = float(np.abs(scores[known] - expected[known]).max(initial=0))
    if not difference <= _TOLERANCE * float(1 + np.abs(expected[known]).max(initial=0)):
        raise NightError(
            f"The files do not score as the model does: scores of {len(items)} users differ by up to "
            f"{difference:.2g}. Nothing was written.",
            "This is a fault of nightly-recs or of a library: please report it with the versions of torch, onnx and "
            "onnxruntime (pip list).",
        )
    return Check(len(items), difference)


def _run(file: Path, inputs: Mapping[str, NDArray[Any]]) -> FloatArray:
    """Return what a file of ONNX computes."""
    import onnxruntime  # noqa: PLC0415  (an extra)

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found: FloatArray = session.run(None, dict(inputs))[0]
    return found
