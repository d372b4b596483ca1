"""Every model that can train on a GPU learns there what it learns on the processor."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from models.device import DeviceConfig
from models.registry import RECOMMENDERS, config_class, recommender_class
from tests.models.planted_world import NEW_ITEM, NEW_USER, World, error, ndcg, planted_world

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")

ON_A_GPU = sorted(name for name in RECOMMENDERS if issubclass(config_class(name), DeviceConfig))
APART = 0.08
"""Between two fits on the processor that differ by their seeds alone, NDCG@10 differs by less than this."""


@cache
def world() -> World:
    return planted_world(3, rated=12)


def quality(name: str, device: str, seed: int = 1) -> float:
    """Return the NDCG@10 of a model's lists or, where it only predicts ratings, how far it errs."""
    model = recommender_class(name)(config_class(name)(device=device)).fit(world().data, seed=seed)
    if name == "mf":
        return error(model, world(), ~NEW_USER)
    return ndcg(model, world(), world().wanted(~NEW_USER), ~NEW_ITEM)


@pytest.mark.parametrize("name", ON_A_GPU)
def test_a_gpu_learns_what_the_processor_learns(name: str) -> None:
    assert quality(name, "cuda") == pytest.approx(quality(name, "cpu"), abs=APART)
