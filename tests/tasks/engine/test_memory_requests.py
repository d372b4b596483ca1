"""Estimates of memory grow with the files that are read, and count the members of ensembles once."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.base import Config
from models.factors.als import ALSConfig
from models.neighbours.item_knn import ItemKNN
from tasks.artifacts import FittedModel, Snapshot
from tasks.engine.memory_requests import (
    BLOCK_MB,
    WORKER_MB,
    als_blocks_mb,
    ensemble_mb,
    fit_mb,
    lists_mb,
    models_mb,
)

MB = 2**20


def model(folder: Path, name: str, size_mb: int, **members: str) -> FittedModel:
    (folder / name).mkdir()
    about = json.dumps({"config": {"members": members}})
    (folder / name / "model.json").write_text(about)
    (folder / name / "arrays.npz").write_bytes(bytes(size_mb * MB - len(about)))
    return FittedModel(name, folder / name, name, 0.0, 0.0)


def snapshot(folder: Path, size_mb: int, n_users: int = 1000, n_items: int = 500) -> Snapshot:
    (folder / "s").mkdir()
    for name in ("seen", "positive", "timestamp"):
        (folder / "s" / f"{name}.npz").write_bytes(bytes(size_mb * MB))
    return Snapshot("s", folder / "s", n_users, n_items, 1, 1, 1, 1, 0)


def test_members_of_an_ensemble_count_once(tmp_path: Path) -> None:
    member, other = model(tmp_path, "member", 3), model(tmp_path, "other", 4)
    blend = model(tmp_path, "blend", 1, member="../member", other="../other")
    assert models_mb([blend, member]) == pytest.approx(8)
    assert models_mb([member, other, member]) == pytest.approx(7)


def test_lists_need_what_they_read(tmp_path: Path) -> None:
    found = lists_mb(snapshot(tmp_path, 10), [model(tmp_path, "one", 5)])
    assert found == pytest.approx(WORKER_MB + BLOCK_MB + 1.2 * 25), "times are not read"


def test_a_fit_asks_for_no_more_neighbours_than_there_are_pairs(tmp_path: Path) -> None:
    small = fit_mb(snapshot(tmp_path, 1), ItemKNN.config_class())
    assert WORKER_MB < small < WORKER_MB + 100
    (tmp_path / "large").mkdir()
    many = snapshot(tmp_path / "large", 1, n_users=200_000)
    limit = getattr(ItemKNN.config_class(), "memory_mb")  # noqa: B009  (Config has no such field)
    assert fit_mb(many, ItemKNN.config_class()) - fit_mb(many, Config()) == pytest.approx(limit)
    assert fit_mb(many, ALSConfig(factors=256)) > fit_mb(many, ALSConfig(factors=32))


def test_an_ensemble_needs_its_members(tmp_path: Path) -> None:
    data, members = snapshot(tmp_path, 1), [model(tmp_path, name, 10) for name in ("a", "b")]
    assert ensemble_mb(data, members) - ensemble_mb(data, members[:1]) == pytest.approx(20)
    assert np.isfinite(ensemble_mb(data, []))


def test_blocks_share_what_a_fit_needs(tmp_path: Path) -> None:
    data, config = snapshot(tmp_path, 1, n_users=2_000_000), ALSConfig(factors=64)
    data = replace(data, n_composite=20_000_000)
    whole, *shares = (als_blocks_mb(data, config, n, 1) - WORKER_MB for n in (1, 10, 20))
    assert whole / 10 < shares[0] < whole / 2, "of others' vectors one block needs more than its share"
    assert shares[0] == pytest.approx(2 * shares[1])
    assert als_blocks_mb(data, config, 20, 2) - WORKER_MB > shares[1]
    factors_mb = 2_000_500 * 64 * 4 / MB
    assert shares[1] > 1.2 * (2 * factors_mb / 20 + 40 * 1_000_000 / MB)
