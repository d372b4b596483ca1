"""The map of users: who is on it, and by what it is coloured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from models.evaluation.slices import USER_CLASSES, user_classes
from models.interactions import Interactions
from tasks.artifacts import Snapshot
from tasks.reporting.page import user_map as module
from tasks.reporting.page.user_map import UserMap, _agreement, user_map
from tasks.reporting.page.vector_map import MappedModel
from tests.models.contract import EMPTY_USER, N_USERS, small_world
from tests.models.export.fitted import fitted


def mapped(folder: Path, world: Interactions) -> MappedModel:
    """Return the model of the small world with a snapshot of `world`, whose users are called u0, u1, …"""
    folder.mkdir()
    world.save(folder)
    ids = pa.table({"user_id": [f"u{n}" for n in range(world.n_users)]})
    pq.write_table(ids, folder / "users.parquet")
    counts = dict.fromkeys(("n_seen", "n_rating", "n_positive", "n_composite", "n_untouched"), 0)
    return MappedModel(
        fitted("als"),
        Snapshot("k", folder, n_users=world.n_users, n_items=world.n_items, **counts),
    )


def with_features(columns: dict[str, np.ndarray]) -> Interactions:
    features = sparse.csr_array(np.column_stack(list(columns.values())).astype(np.float32))
    return replace(small_world(), user_features=features, user_feature_names=tuple(columns))


def drawn(found: UserMap | None) -> UserMap:
    assert found is not None
    return found


def users_on(found: UserMap) -> dict[str, str]:
    """Return the layer of every user on the map."""
    return {place.title: layer for layer, places in found.map.layers for place in places}


def test_users_are_coloured_by_history_without_features(tmp_path: Path) -> None:
    world = small_world()
    found = drawn(user_map(mapped(tmp_path / "s", world), seed=1))
    met = np.diff(world.seen.indptr)
    classes = user_classes(met[met > 0])
    expected = dict(zip(np.flatnonzero(met > 0).tolist(), classes.tolist(), strict=True))
    assert users_on(found) == {f"User u{user}": USER_CLASSES[n] for user, n in expected.items()}
    assert (found.colour, found.n_known, found.map.n) == ("history", N_USERS - 1, N_USERS - 1)
    assert f"User u{EMPTY_USER}" not in users_on(found)
    largest = max((place for _, places in found.map.layers for place in places), key=lambda place: place.size)
    assert largest.about == "history: heavy; 39 items"


def test_the_colour_is_the_feature_that_neighbours_share(tmp_path: Path) -> None:
    """Of two features, one is chance, and one is the taste that the small world was made of."""
    even = np.arange(N_USERS) % 2 == 0
    chance = np.random.default_rng(0).random(N_USERS) < 0.5
    world = with_features({"chance:a": chance, "chance:b": ~chance, "taste:even": even, "taste:odd": ~even})
    found = drawn(user_map(mapped(tmp_path / "s", world), seed=1))
    assert (found.colour, [layer for layer, _ in found.map.layers]) == ("taste", ["even", "odd"])
    assert found.shared > 0.7
    assert found.by_chance == pytest.approx(0.5, abs=0.02)
    assert users_on(found)["User u4"] == "even"
    assert any(place.about.startswith("taste: odd; ") for place in found.map.layers[1][1])


def test_rare_classes_and_unknown_values_are_other(tmp_path: Path) -> None:
    city = np.arange(N_USERS) % 15
    columns = {f"city:{n:02}": city == n for n in range(14)}  # nobody knows the city of the fifteenth part
    found = drawn(user_map(mapped(tmp_path / "s", with_features(columns)), seed=1))
    layers = [layer for layer, _ in found.map.layers]
    assert len(layers) == 11
    assert layers[-1] == ""
    assert layers[:-1] == sorted(layers[:-1])
    others = [place.about for place in found.map.layers[-1][1]]
    assert any(about.startswith("city: unknown; ") for about in others)
    assert found.map.n == N_USERS - 1


def test_a_feature_that_all_users_share_is_no_colour(tmp_path: Path) -> None:
    world = with_features({"country:x": np.ones(N_USERS)})
    assert drawn(user_map(mapped(tmp_path / "s", world), seed=1)).colour == "history"


def test_many_users_are_sampled_by_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 20)
    world = mapped(tmp_path / "s", small_world())
    first, again, other = (drawn(user_map(world, seed=seed)) for seed in (1, 1, 2))
    assert (first.map.n, first.n_known) == (20, N_USERS - 1)
    assert first == again
    assert users_on(first).keys() != users_on(other).keys()


def test_two_users_have_no_map(tmp_path: Path) -> None:
    seen = sparse.csr_array(small_world().seen.toarray() * (np.arange(N_USERS) < 2)[:, None])
    world = mapped(tmp_path / "s", small_world())
    sparse.save_npz(tmp_path / "s" / "seen.npz", seen)
    assert user_map(world, seed=1) is None


def test_agreement_counts_the_nearest_and_all_pairs() -> None:
    points = np.array([[0.0, n] for n in range(12)] + [[100.0, n] for n in range(12)])
    assert _agreement(points, ["a"] * 12 + ["b"] * 12) == pytest.approx((1.0, 2 * 12 * 11 / (24 * 23)))
    alternating = ["a", "b"] * 12
    assert _agreement(points[:4], alternating[:4]) == pytest.approx((1 / 3, 1 / 3))
    assert _agreement(points[:4], ["a", "a", "", ""]) == (1.0, 1.0)
