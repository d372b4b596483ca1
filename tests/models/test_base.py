from dataclasses import replace

import numpy as np
import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError

from models.base import Config
from models.baselines.popularity import Popularity
from models.factors.als import ALS, ALSConfig
from models.graph.lightgcn_config import LightGCNConfig
from models.neighbours.item_knn import ItemKNN, ItemKNNConfig
from models.registry import RECOMMENDERS, config_class
from tests.models.contract import small_world


def test_a_config_of_another_model_is_refused():
    with pytest.raises(TypeError, match="als takes a ALSConfig, not a ItemKNNConfig"):
        ALS(ItemKNNConfig())


def test_a_folder_that_holds_another_model_is_refused(tmp_path):
    Popularity().fit(small_world(), seed=1).save(tmp_path)
    with pytest.raises(ValueError, match="holds the model 'popularity', not 'als'"):
        ALS.load(tmp_path)


def test_enormous_utilities_are_limited_and_logged(caplog):
    caplog.set_level("INFO")
    world = small_world()
    composite = world.composite.copy()
    composite.data[slice(*composite.indptr[:2])] = 1e30
    model = Popularity(Config(matrix="composite")).fit(replace(world, composite=composite), seed=1)
    assert "popularity scales the utilities of 1 of 59 users down to at most" in caplog.text
    assert model.item_scores_.max() < 1000
    assert composite.data.max() == np.float32(1e30), "the data are not changed"


def test_explicit_ratings_are_not_limited(caplog):
    world = small_world()
    world.rating.data[3] = 1e6
    model = Popularity(Config(matrix="rating")).fit(world, seed=1)
    assert model.item_scores_.max() > 1e6 - 1
    assert not caplog.records


@pytest.mark.parametrize(
    "wrong",
    [
        {"factors": 0},
        {"alpha": 0},
        {"regularization": float("nan")},
        {"factor": 64},
        {"iterations": 2.5},
        {"alpha": True},
    ],
)
def test_hyperparameters_out_of_range_or_misspelt_are_refused(wrong):
    with pytest.raises(ValidationError):
        ALSConfig(**wrong)


def test_true_is_refused_as_a_number_in_a_list():
    with pytest.raises(ValidationError, match="true and false are no numbers"):
        LightGCNConfig(layers=1, layer_weights=[True, 1])


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_every_hyperparameter_is_described(name):
    fields = config_class(name).model_fields
    assert all(field.description for field in fields.values())


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_every_number_has_a_least_and_a_greatest_value(name):
    for field, about in config_class(name).model_fields.items():
        if about.annotation in (int, float, int | None, float | None):
            ends = {type(end) for end in about.metadata}
            assert ends & {Ge, Gt}, field
            assert ends & {Le, Lt}, field


def test_the_config_chooses_the_training_matrix():
    world = small_world()
    assert (ItemKNN().fit(world, seed=1).profiles_ != world.positive).nnz == 0
    weighted = ItemKNN(ItemKNNConfig(matrix="composite")).fit(world, seed=1)
    assert (weighted.profiles_ != world.composite).nnz == 0


def test_models_that_rank_refuse_to_predict_ratings():
    model = Popularity().fit(small_world(), seed=1)
    with pytest.raises(NotImplementedError, match="does not predict ratings"):
        model.predict(np.array([0]), np.array([0]))
