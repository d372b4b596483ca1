"""The contract on Mult-VAE and RecVAE."""

from typing import ClassVar

import pytest

from models.neural.multvae import MultVAE
from models.neural.recvae import RecVAE
from models.neural.row_config import MultVAEConfig, RecVAEConfig
from tests.models.contract import LikesContract
from tests.models.fitted_once import FittedOnce

SMALL = {"factors": 16, "hidden": 24, "batch": 64, "learning_rate": 0.005, "patience": 20}


class TestMultVAE(FittedOnce, LikesContract):
    model = MultVAE
    config: ClassVar[MultVAEConfig] = MultVAEConfig(**{**SMALL, "learning_rate": 0.002}, epochs=30)


@pytest.mark.slow
class TestMultVAEFromRandomWeights(FittedOnce, LikesContract):
    model = MultVAE
    config: ClassVar[MultVAEConfig] = MultVAEConfig(**SMALL, epochs=60, start="random")


class TestRecVAE(FittedOnce, LikesContract):
    model = RecVAE
    config: ClassVar[RecVAEConfig] = RecVAEConfig(**SMALL, epochs=15)
