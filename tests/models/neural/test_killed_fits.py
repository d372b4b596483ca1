"""Every family of neural models: a killed fit goes on to the same bits, and only the seed decides these."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from models.base import DivergedError
from models.graph.pinsage import PinSage
from models.graph.pinsage_config import PinSageConfig
from models.interactions import Interactions
from models.neural import checkpoint
from models.neural.autorec import AutoRec
from models.neural.autorec_config import AutoRecConfig
from models.neural.multvae import MultVAE
from models.neural.neumf import NeuMF
from models.neural.neumf_config import NeuMFConfig
from models.neural.neural_model import NeuralRecommender
from models.neural.recvae import RecVAE
from models.neural.row_config import MultVAEConfig, RecVAEConfig
from models.relations import Relations
from models.retrieval.config import TwoTowerConfig
from models.retrieval.two_tower import TwoTower
from models.sequence.caser import Caser
from models.sequence.config import CaserConfig, GRU4RecConfig, SASRecConfig
from models.sequence.gru4rec import GRU4Rec
from models.sequence.sasrec import SASRec
from tests.models.contract import small_world

EPOCHS = 4
SMALL = {"factors": 4, "epochs": EPOCHS, "patience": EPOCHS, "dropout": 0.2}
MODELS: list[NeuralRecommender] = [
    MultVAE(MultVAEConfig(**SMALL, hidden=8)),
    RecVAE(RecVAEConfig(**SMALL, hidden=8)),
    AutoRec(AutoRecConfig(**SMALL, batch=300)),
    NeuMF(NeuMFConfig(**SMALL, start="als")),
    TwoTower(TwoTowerConfig(**SMALL, uniform_negatives=16)),
    SASRec(SASRecConfig(**SMALL, blocks=1)),
    GRU4Rec(GRU4RecConfig(**SMALL, hidden=8)),
    Caser(CaserConfig(**SMALL, latest=2)),
    PinSage(
        PinSageConfig(**SMALL, steps=3, batch=64, uniform_negatives=16, walkers=20, neighbours=3, layers=1)
    ),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def world(times_seed: int = 0) -> Interactions:
    """Return the small world with random times and a feature for each item and user."""
    data = small_world()
    timestamp = data.timestamp.copy()
    timestamp.data = np.random.default_rng(times_seed).integers(1, 10**6, timestamp.nnz)
    features = sparse.csr_array(np.eye(3, dtype=np.float32)[np.arange(data.n_items) % 3])
    of_users = sparse.csr_array(np.eye(2, dtype=np.float32)[np.arange(data.n_users) % 2])
    return replace(
        data, timestamp=timestamp, item_features=features, feature_names=("a", "b", "c"), user_features=of_users,
        user_feature_names=("even", "odd"), relations=directors(data.n_items, of=4),
    )  # fmt: skip


def directors(n_items: int, of: int) -> Relations:
    """Return relations by which every item has one of two directors, the same for `of` items in a row."""
    items = np.arange(n_items)
    triples = np.stack([items, np.zeros(n_items, int), n_items + items // of % 2], axis=1)
    return Relations(triples.astype(np.int32), n_items, ("director",), ("one", "two"))


def like(model: NeuralRecommender, **changes: object) -> NeuralRecommender:
    return type(model)(model.config.model_copy(update=changes))


def learned(model: NeuralRecommender) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


def equal(a: NeuralRecommender, b: NeuralRecommender) -> bool:
    ours, theirs = learned(a), learned(b)
    return ours.keys() == theirs.keys() and all(
        np.array_equal(
            *(part.toarray() if sparse.issparse(part) else part for part in (ours[name], theirs[name]))
        )
        for name in ours
    )


class Killer:
    """A progress that counts epochs, and interrupts after some."""

    def __init__(self, after: int | None = None) -> None:
        self.after, self.epochs = after, 0

    def __call__(self, done: int, total: int) -> None:
        self.epochs += 1
        if self.epochs == self.after:
            raise KeyboardInterrupt


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_SECONDS", 0)


@pytest.mark.usefixtures("every_epoch")
@every_model
def test_a_killed_fit_goes_on_to_the_same_bits(model: NeuralRecommender, tmp_path: Path) -> None:
    """Killed in the search for the best epoch, then in the training on all data that follows."""
    data, whole = world(), Killer()
    uninterrupted = like(model).fit(data, seed=3, progress=whole)
    assert whole.epochs > EPOCHS, "the test needs a second training"
    counts = []
    for after in (2, EPOCHS):  # the epoch whose progress is the last sign of life is trained again
        killer = Killer(after)
        with pytest.raises(KeyboardInterrupt):
            like(model).fit(data, seed=3, progress=killer, checkpoints=tmp_path)
        counts.append(killer.epochs)
    rest = Killer()
    resumed = like(model).fit(data, seed=3, progress=rest, checkpoints=tmp_path)
    assert equal(resumed, uninterrupted)
    assert rest.epochs == whole.epochs - (2 - 1) - (EPOCHS - 1)
    again = Killer()
    assert equal(like(model).fit(data, seed=3, progress=again, checkpoints=tmp_path), uninterrupted)
    assert again.epochs == 0


@pytest.mark.usefixtures("every_epoch")
@every_model
@pytest.mark.parametrize("other", ["times", "config", "seed", "features", "user features", "relations"])
def test_a_checkpoint_of_another_fit_is_not_used(
    model: NeuralRecommender, other: str, tmp_path: Path
) -> None:
    data = world()
    with pytest.raises(KeyboardInterrupt):
        like(model).fit(data, seed=3, progress=Killer(3), checkpoints=tmp_path)
    changed, seed = data, 3
    if other == "times":
        changed = world(times_seed=1)
    elif other == "features":
        changed = replace(data, item_features=sparse.csr_array(data.item_features.toarray()[::-1].copy()))
    elif other == "user features":
        assert data.user_features is not None
        others = np.roll(data.user_features.toarray(), 1, axis=0)
        changed = replace(data, user_features=sparse.csr_array(others))
    elif other == "relations":
        changed = replace(data, relations=directors(data.n_items, of=3))
    elif other == "config":
        model = like(model, learning_rate=0.002)
    else:
        seed = 4
    epochs, whole = Killer(), Killer()
    anew = like(model).fit(changed, seed=seed, progress=epochs, checkpoints=tmp_path)
    assert equal(anew, like(model).fit(changed, seed=seed, progress=whole))
    assert epochs.epochs == whole.epochs, "no epoch was left out"


@every_model
def test_only_the_seed_decides_the_bits(model: NeuralRecommender) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = like(model).fit(world(), seed=3)
    assert torch.equal(torch.get_rng_state(), before), "torch's own generator is left alone"
    torch.manual_seed(12)
    assert equal(like(model).fit(world(), seed=3), first)
    assert not equal(like(model).fit(world(), seed=4), first)


@every_model
def test_an_absurd_learning_rate_is_an_error(model: NeuralRecommender) -> None:
    with pytest.raises(DivergedError, match=rf"^{model.name}: .*a lower `learning_rate` is safer$"):
        like(model, learning_rate=1e25).fit(world(), seed=3)
