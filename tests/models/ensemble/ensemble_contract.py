"""The contract of all recommenders on models that are made of others: these need their members to be fitted first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from models.base import NotFittedError, Recommender
from models.baselines.popularity import Popularity
from models.ensemble.blend import Blend, BlendConfig
from models.interactions import Interactions, MatrixName
from tests.models.contract import N_ITEMS, N_USERS, RecommenderContract, same, small_world


class EnsembleContract(RecommenderContract):
    """Tests of any ensemble. Subclasses set `model` and `weights`, and say of which members it is made.

    Class attributes of a subclass:
        weights: feature → weight.
    """

    model: ClassVar[type[Blend]]
    weights: ClassVar[dict[str, float]]

    def members(self, data: Interactions, seed: int) -> list[Recommender]:
        """Return the members, fitted on `data`."""
        raise NotImplementedError

    def fitted(self, data: Interactions, seed: int = 1) -> Blend:
        data = self.described(data)
        models = self.members(data, seed)
        config = BlendConfig(members={m.name: m.name for m in models}, weights=self.weights)
        return self.model(config, models).fit(data, seed=seed)

    def fitted_on(self, name: MatrixName, data: Interactions) -> Recommender:
        """An ensemble reads no values: its members do, als the composite utilities."""
        return self.fitted(data)

    def test_a_second_fit_forgets_the_first(self, world: Interactions) -> None:
        other, data = self.described(small_world(seed=2)), self.described(world)
        model = self.model(self.fitted(other).config, self.members(data, seed=1))
        again = model.fit(other, seed=9).fit(data, seed=1)
        users = np.arange(N_USERS)
        assert np.array_equal(again.score(users), self.fitted(world).score(users), equal_nan=True)

    def test_loaded_models_score_the_same_to_the_bit(self, world: Interactions, tmp_path: Path) -> None:
        model = self.fitted(world)
        places = {member.name: f"../kept/{member.name}" for member in model.members}
        config = model.config.model_copy(update={"members": places})
        model = self.model(config, model.members).fit(self.described(world), seed=1)
        model.set_fold_weights(
            np.array([0, 2]), np.array([0, 1], np.int8), np.eye(2, len(model.feature_names))
        )
        model.save(tmp_path / "home" / model.name)
        for member in model.members:
            member.save(tmp_path / "home" / "kept" / member.name)
        (tmp_path / "home").rename(tmp_path / "moved")
        loaded = self.model.load(tmp_path / "moved" / model.name)
        users, items = np.arange(-1, N_USERS + 1), np.arange(N_ITEMS)
        assert type(loaded) is type(model)
        assert loaded.config == model.config
        assert np.array_equal(loaded.score(users), model.score(users), equal_nan=True)
        assert same(loaded.recommend_for([[2, 4], [1]], 9), model.recommend_for([[2, 4], [1]], 9))
        ours, theirs = (each.recommend(users, 9, exclude=world.seen) for each in (model, loaded))
        assert same(ours, theirs)
        assert same(loaded.similar_items(items, 4), model.similar_items(items, 4))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_matrix_with_nan_or_infinity_is_refused(self, world: Interactions, bad: float) -> None:
        model = self.fitted(world)
        positive = world.positive.copy()
        positive.data[3] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            model.fit(replace(self.described(world), positive=positive), seed=1)

    def test_use_before_fit_is_an_error(self) -> None:
        model = self.model(BlendConfig(members={"popularity": "p"}), [Popularity()])
        with pytest.raises(NotFittedError, match="call fit first"):
            model.recommend(np.array([0]), 3)
