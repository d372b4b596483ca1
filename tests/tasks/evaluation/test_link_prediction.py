"""Similar items of a night: every pair counts once in its half, and models are compared on the same users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.baselines.popularity import Popularity
from models.evaluation.bootstrap import detectable_difference, paired_difference
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.link_prediction import judge_similar_items, similar_item_rows
from tests.examples import examples
from tests.tasks.judged import similar_pairs

SETTINGS = JudgeSettings(k=(20,), champion_metric="ndcg@20", bootstrap_samples=200)
DATA = Interactions.from_positive(
    sparse.csr_array(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], np.float32))
)
METRICS = ("link_hits", "link_mrr", "link_auc")


def held_out(folder: Path, pairs: list[tuple[int, int, int, int, bool]]) -> HeldOut:
    similar_pairs(folder, pairs)
    return HeldOut("h", folder, 0, 0, 0, 0.0)


def test_places_are_written_for_models_with_similar_items(tmp_path: Path) -> None:
    """Items 0 and 2 are similar to item 1, in this order; items 1 and 3 of the four have nothing in common."""
    held = held_out(tmp_path, [(0, 1, 2, 0, False), (1, 1, 0, 0, False), (2, 1, 3, 1, True)])
    judge_similar_items(ItemKNN().fit(DATA, seed=1), held, tmp_path)
    with np.load(tmp_path / "similar_items.npz") as found:
        assert {name: found[name].tolist() for name in found.files} == {
            "link_hits": [1, 1, 0],
            "link_mrr": [1 / 2, 1, 0],
            "link_auc": [1 / 2, 1, 0],
        }


@pytest.mark.parametrize(
    ("model", "pairs"),
    [(Popularity(), [(0, 1, 2, 0, False)]), (ItemKNN(), [])],
    ids=["popularity", "no pairs"],
)
def test_nothing_is_written_without_similar_items_or_pairs(
    tmp_path: Path, model: Popularity | ItemKNN, pairs: list[tuple[int, int, int, int, bool]]
) -> None:
    judge_similar_items(model.fit(DATA, seed=1), held_out(tmp_path, pairs), tmp_path)
    assert not (tmp_path / "similar_items.npz").exists()


def evaluated(folder: Path, **models: list[float]) -> list[Evaluation]:
    """Write models with the given hits; a hit is first on its list."""
    made = []
    for name, hits in models.items():
        (folder / name).mkdir(exist_ok=True)
        if hits:
            np.savez(
                folder / name / "similar_items.npz", **{metric: np.array(hits, float) for metric in METRICS}
            )
        made.append(Evaluation(name, folder / name, name, 0.0))
    return made


@settings(
    max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])),
        min_size=1,
        max_size=12,
    )
)
def test_every_pair_counts_once(tmp_path: Path, drawn: list[tuple[int, bool, float, float]]) -> None:
    """Users 0, 2 and 4 are in the select half, the others in the report half: by plain loops."""
    drawn = sorted(drawn)
    held = held_out(tmp_path, [(user, 9, n, user % 2, cold) for n, (user, cold, *_) in enumerate(drawn)])
    models = evaluated(tmp_path, knn=[row[2] for row in drawn], als=[row[3] for row in drawn])
    rows, differences = similar_item_rows(models, held, SETTINGS, baseline="knn", seed=1)
    found = {(row.model, row.half, row.segment, row.metric): row for row in rows}
    gains = {(row.half, row.segment): row for row in differences}
    parts = {}
    for number, half in enumerate(("select", "report")):
        mine = [row for row in drawn if row[0] % 2 == number]
        parts[half, "similar_items"] = mine
        parts[half, "similar_cold_items"] = [row for row in mine if row[1]]
    assert {key[1:3] for key in found} == gains.keys() == {part for part, mine in parts.items() if mine}
    for (half, segment), mine in parts.items():
        if not mine:
            continue
        for metric in METRICS:
            for model, column in (("knn", 2), ("als", 3)):
                row = found[model, half, segment, metric]
                assert row.value == pytest.approx(sum(each[column] for each in mine) / len(mine))
                assert row.n_users == len({each[0] for each in mine})
                if row.n_users == 1:
                    assert (row.ci_low, row.ci_high) == pytest.approx((row.value, row.value))
                assert row.k == (10 if metric == "link_hits" else None)
        gain = gains[half, segment]
        assert gain.mean == pytest.approx(sum(each[3] - each[2] for each in mine) / len(mine))
        assert (gain.model, gain.baseline, gain.metric) == ("als", "knn", "link_hits@10")


def test_differences_are_paired_over_users(tmp_path: Path) -> None:
    """With a pair for each user, they are those of `paired_difference`."""
    rng = np.random.default_rng(3)
    knn = rng.integers(0, 2, 40).astype(float)
    als = np.where(rng.random(40) < 0.2, 1 - knn, knn)
    held = held_out(tmp_path, [(user, 9, user, 1, False) for user in range(40)])
    models = evaluated(tmp_path, knn=knn.tolist(), als=als.tolist())
    _, [gain] = similar_item_rows(models, held, SETTINGS, baseline="knn", seed=1)
    expected = paired_difference(als, knn, samples=200, confidence=SETTINGS.confidence, seed=1)
    assert (gain.mean, gain.low, gain.high) == pytest.approx(expected[:3])
    assert gain.detectable == pytest.approx(expected.detectable)


def test_the_detectable_difference_allows_for_users_of_many_pairs(tmp_path: Path) -> None:
    """User 0 has eight of eleven pairs, all won: of a user the mean over pairs can tell less than of many."""
    held = held_out(tmp_path, [(max(0, n - 7), 9, n, 1, False) for n in range(11)])
    models = evaluated(tmp_path, knn=[0.0] * 11, als=[1.0] * 8 + [0.0] * 3)
    _, [gain] = similar_item_rows(models, held, SETTINGS, baseline="knn", seed=1)
    mean, n_pairs, won = 8 / 11, np.array([8, 1, 1, 1]), np.array([8, 0, 0, 0])
    expected = detectable_difference((won - mean * n_pairs) / (11 / 4), SETTINGS.confidence)
    assert gain.mean == pytest.approx(mean)
    assert gain.detectable == pytest.approx(expected)


def test_models_without_similar_items_have_no_rows(tmp_path: Path) -> None:
    held = held_out(tmp_path, [(0, 1, 2, 1, False), (1, 1, 3, 1, False)])
    models = evaluated(tmp_path, popularity=[], als=[1.0, 0.0], knn=[0.0, 0.0])
    rows, differences = similar_item_rows(models, held, SETTINGS, baseline="popularity", seed=1)
    assert {row.model for row in rows} == {"als", "knn"}
    assert {row.segment for row in rows} == {"similar_items"}
    assert differences == []
    assert similar_item_rows(models[:1], held, SETTINGS, baseline="als", seed=1) == ([], [])
