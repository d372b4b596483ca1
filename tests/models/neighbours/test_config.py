import typing
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from models.base import DivergedError
from models.neighbours.config import NeighbourConfig
from models.neighbours.item_knn import ItemKNN
from models.neighbours.similarity import Missing, Similarity
from models.neighbours.user_knn import UserKNN
from models.neighbours.weighting import Weighting
from tests.models.contract import N_USERS, interactions

SIMILARITIES = typing.get_args(Similarity)
VARIANTS = [(missing, "auto") for missing in typing.get_args(Missing)]
VARIANTS += [("auto", weighting) for weighting in typing.get_args(Weighting)]


def ratings() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((N_USERS, 40)) < 0.3) * rng.integers(1, 11, (N_USERS, 40)) / 2


@pytest.mark.parametrize("model", [ItemKNN, UserKNN])
def test_every_combination_recommends_on_ratings(model):
    data = interactions(ratings())
    for similarity, (missing, weighting) in product(SIMILARITIES, VARIANTS):
        if weighting == "bm25":
            continue
        config = model.config_class(
            matrix="rating", similarity=similarity, missing=missing, weighting=weighting, k=10
        )
        top = model(config).fit(data, seed=1).recommend(np.arange(N_USERS), 5, exclude=data.seen)
        assert (top.items[:, 0] >= 0).mean() > 0.9, config
        assert np.isfinite(top.scores[top.items >= 0]).all(), config


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", [ItemKNN, UserKNN])
@pytest.mark.parametrize("options", [{}, {"similarity": "dot", "exponent": 10}])
def test_ratings_too_large_to_compute_with_are_an_error(model, options):
    config = model.config_class(matrix="rating", **options)
    with pytest.raises(DivergedError, match="too large"):
        model(config).fit(interactions(1e20 * ratings()), seed=1)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_auto_weighs_measures_that_compare_interactions(similarity):
    weighed = similarity in ("dot", "cosine", "asymmetric_cosine")
    assert NeighbourConfig(similarity=similarity).weights == ("degree" if weighed else "none")
    assert NeighbourConfig(similarity=similarity, weighting="bm25").weights == "bm25"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("k", -1),
        ("memory_mb", 0.5),
        ("shrink", -1),
        ("exponent", 0),
        ("asymmetry", 1.1),
        ("missing", "median"),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ValidationError, match=field):
        NeighbourConfig(**{field: value})


def test_bm25_of_ratings_is_refused():
    with pytest.raises(ValueError, match="weighting bm25 is for counts"):
        NeighbourConfig(matrix="rating", weighting="bm25")


def test_ratings_are_compared_without_weights():
    assert NeighbourConfig(matrix="rating").weights == "none"
    assert NeighbourConfig(matrix="rating", weighting="degree").weights == "degree"
