"""No leak: shuffling the held-out rows among themselves changes no fitted parameter of any judged model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from models.registry import RECOMMENDERS, config_class
from tasks.artifacts import Snapshot
from tasks.config.settings import Signal, SplitSettings, UtilitySettings
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import make_split
from tasks.storage.warehouse import open_warehouse
from tasks.training.fit import fit
from tests.tasks.logs import AS_OF, Log, day, make_clean_tables

N_USERS, N_ITEMS, LAST_DAY = 40, 30, 70
QUICK = {"epochs": 1, "iterations": 2, "factors": 4}
UTILITY = UtilitySettings(
    signals={
        "rating": Signal(source="ratings", aggregate="last", transform="user_zscore", half_life_days=30),
        "tag": Signal(source="tags", aggregate="count", transform="item_idf"),
        "like": Signal(source="events", event="like", transform="log1p"),
    }
)


def some_log() -> Log:
    """Ratings, tags, likes and links at any time of 100 days, a catalogue, and pairs that come again.

    The friends have no interaction: a link after the cutoff must not bring its friend into the snapshot.
    """
    rng = np.random.default_rng(5)

    def pairs(n: int) -> Iterator[tuple[int, int, float]]:
        for _ in range(n):
            yield int(rng.integers(N_USERS)), int(rng.integers(N_ITEMS)) ** 2 // N_ITEMS, rng.random() * 99

    return Log(
        ratings=[(user, item, float(rng.integers(1, 11)) / 2, at) for user, item, at in pairs(700)],
        tags=[(user, item, ("noir", "slow")[item % 2], at) for user, item, at in pairs(80)],
        events=[(user, item, "like", 1.0, at) for user, item, at in pairs(80)],
        items=[(item, f"Film {item}", [("Drama", "Crime")[item % 2]]) for item in range(N_ITEMS)],
        links=[(user, N_USERS + friend, 1.0 + user % 3, at) for user, friend, at in pairs(60)],
    )


def shuffled(log: Log, rng: np.random.Generator, *, held_out: bool) -> Log:
    """Return `log` with items and values permuted among the rows of one side of the cutoff."""
    dealt = {}
    for name in ("ratings", "tags", "events", "links"):
        rows = getattr(log, name)
        moved = [place for place, row in enumerate(rows) if (row[-1] >= LAST_DAY) == held_out]
        dealt[name] = list(rows)
        for place, other in zip(moved, rng.permutation(moved), strict=True):
            dealt[name][place] = (rows[place][0], *rows[other][1:-1], rows[place][-1])
    return replace(log, **dealt)


def snapshot_of(con: duckdb.DuckDBPyConnection, log: Log, folder: Path) -> Snapshot:
    make_clean_tables(con, log)
    for place in ("split", "snapshot"):
        (folder / place).mkdir(parents=True)
    settings = SplitSettings(method="temporal", cutoff=day(LAST_DAY).isoformat())
    split = make_split(con, settings, UTILITY, as_of=AS_OF, key="split", folder=folder / "split")
    return build_snapshot(con, split, UTILITY, key="snapshot", folder=folder / "snapshot")


def learned(snapshot: Snapshot, name: str, folder: Path) -> dict[str, bytes]:
    """Return all fitted arrays of a model, as bytes."""
    known = config_class(name).model_fields
    config = config_class(name).model_validate({k: v for k, v in QUICK.items() if k in known})
    folder.mkdir()
    fit(snapshot, name, config, seed=1, progress=None, key="k", folder=folder)
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Snapshot]:
    """Training snapshots of the log, and of the log shuffled before or after the cutoff."""
    log, rng = some_log(), np.random.default_rng(6)
    dealt = {which: shuffled(log, rng, held_out=which == "after") for which in ("after", "before")}
    assert log not in dealt.values()
    folder = tmp_path_factory.mktemp("leak")
    with open_warehouse(folder / "warehouse.duckdb") as con:
        versions = {"as it was": log, **dealt}
        return {which: snapshot_of(con, version, folder / which) for which, version in versions.items()}


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_shuffled_held_out_rows_change_no_fitted_parameter(
    snapshots: dict[str, Snapshot], tmp_path: Path, name: str
) -> None:
    found = {which: learned(snapshot, name, tmp_path / which) for which, snapshot in snapshots.items()}
    assert found["after"] == found["as it was"]
    assert found["before"] != found["as it was"], "what lies before the cutoff does count"
