"""A home whose run has the tiny models of `tests.models.export.fitted`, as a night leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from models.base import Recommender
from models.export.onnx_file import Axes
from tasks.artifacts import FittedModel, Lists, Snapshot
from tasks.config.settings import Settings
from tasks.export import export_model
from tasks.publication.publish import publish
from tasks.publication.targets.connect import open_target, serving_url
from tasks.storage.artifact_store import Store
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tests.models.contract import N_ITEMS
from tests.models.export.fitted import described_world, fitted
from tests.tasks.publication.published_lists import TEXTS, write_lists

JUDGED = "sasrec"
"""The model that the run only judged; its refits are those of `REFITTED`."""
REFITTED = ("als", "neumf", "two_tower")


def home_with_run(folder: Path) -> tuple[Home, int]:
    """Return a home, and its only run."""
    home = open_home("demo", folder / "home")
    store, runs = Store(home.artifacts), Runs(home.runs)
    run = runs.begin("f", dataset="demo", seed=1, live=None)
    run.artifacts += ["utility/judged", f"fit/{JUDGED}", "everything/all", "utility/all"]
    run.artifacts += [*(f"fit/{name}" for name in REFITTED), "recommend/lists"]
    for key in ("judged", "all"):
        store.make("utility", key, lambda place, key=key: _snapshot(place, key))
    for name in (JUDGED, *REFITTED):
        store.make("fit", name, lambda place, name=name: save(fitted(name), place))
    store.make("recommend", "lists", _lists)
    runs.finish(run, "published", "")
    return home, run.run_id


def publish_lists(home: Home, run_id: int) -> None:
    """Make lists live for the run of `home_with_run`: item n is called "Film n"; `gone` is in no snapshot."""
    folder = home.path / "published"
    folder.mkdir()
    items = [f"i{n}" for n in range(N_ITEMS)]
    lists = write_lists(
        folder,
        recommendations=[("u0", 1, "i0", 1.0, "als", 1.0, None)],
        similar_items=[("i0", 1, "i2", 0.5)],
        fallback_recommendations=[("all", 1, "i1", 1.0)],
        items=[*((item, f"Film {item[1:]}", "Drama") for item in items), ("gone", None, None)],
    )
    with open_target(serving_url(home, Settings()), owner=home.owner) as target:
        target.ensure_schema(TEXTS)
        publish(target, run_id, lists, expected_live=None, keep_runs=3)


def _snapshot(place: Path, key: str) -> Snapshot:
    world = described_world()
    world.save(place)
    ids = pa.table({"item_idx": np.arange(world.n_items), "item_id": [f"i{n}" for n in range(world.n_items)]})
    pq.write_table(ids, place / "items.parquet")
    users = pa.table(
        {"user_idx": np.arange(world.n_users), "user_id": [f"u{n}" for n in range(world.n_users)]}
    )
    pq.write_table(users, place / "users.parquet")
    counts = dict.fromkeys(("n_seen", "n_rating", "n_positive", "n_composite", "n_untouched"), 0)
    return Snapshot(key, place, n_users=world.n_users, n_items=world.n_items, **counts)


def save(model: Recommender, place: Path) -> FittedModel:
    """Write a model as the stage `fit` does."""
    model.save(place)
    return FittedModel(model.name, place, model.name, 1.0, 1.0)


def _lists(place: Path) -> Lists:
    titles = pa.table({"item_id": ["i2", "i0", "i1"], "title": ["Two", "None", None], "genres": ["", "", ""]})
    pq.write_table(titles, place / "items.parquet")
    return Lists("lists", place, 0, 0, 0, 0, 3)


class WithoutOnnx:
    """Stands for the exporter and onnxruntime: runs the modules themselves."""

    def __init__(self) -> None:
        self.networks: dict[str, torch.nn.Module] = {}

    def write(self, network: torch.nn.Module, inputs: dict[str, Axes], output: str, path: Path) -> None:
        self.networks[path.name] = network
        path.write_text(f"{list(inputs)} -> {output}", encoding="utf-8")

    def run(self, file: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            return self.networks[file.name](*map(torch.from_numpy, inputs.values())).numpy()


def without_onnx(monkeypatch) -> WithoutOnnx:
    """Put a stand-in in the place of the libraries of the extra."""
    found = WithoutOnnx()
    monkeypatch.setattr(export_model, "write_onnx", found.write)
    monkeypatch.setattr(export_model, "_run", found.run)
    return found
