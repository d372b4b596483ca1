"""The loop: the best epoch is kept, a killed fit goes on to the same bits, NaN is an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.base import DivergedError
from models.neural import checkpoint
from models.neural.checkpoint import Checkpoints
from models.neural.config import NeuralConfig
from models.neural.layers import Dropout
from models.neural.training import Objective, train
from models.numerics.adam import Adam


class Line(Objective[int]):
    """Learns y = 2 x with a linear layer behind dropout; the quality of each epoch is given."""

    name = "line"

    def __init__(self, qualities: list[float] | None = None, stop_in: int | None = None) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network = nn.Sequential(Dropout(0.5), nn.Linear(4, 1))
        self.qualities, self.stop_in, self.seen = qualities, stop_in, []

    def batches(self, epoch: int, rng: np.random.Generator):
        if epoch == self.stop_in:
            raise KeyboardInterrupt
        self.epoch = epoch
        yield from rng.integers(1000, size=3)

    def loss(self, batch: int) -> torch.Tensor:
        x = torch.from_numpy(np.random.default_rng(batch).random((8, 4), np.float32))
        return (self.network(x) - 2 * x.sum(dim=1, keepdim=True)).square().mean()

    def quality(self) -> float | None:
        assert not self.network.training
        self.seen.append(weights(self))
        return None if self.qualities is None else self.qualities[self.epoch]


def weights(objective: Line) -> list[float]:
    return torch.cat([p.detach().flatten() for p in objective.network.parameters()]).tolist()


def trained(objective: Line, **options) -> Line:
    of_call = {name: options.pop(name) for name in ("checkpoints", "stop_after") if name in options}
    config = NeuralConfig(**{"epochs": 6, "learning_rate": 0.1, **options})
    train(objective, config, seed=3, progress=lambda done, total: None, **of_call)
    return objective


def test_the_parameters_of_the_best_epoch_are_kept() -> None:
    line = trained(Line([0.1, 0.4, 0.3, 0.4, 0.2, 0.1]))
    assert weights(line) == line.seen[1] != line.seen[-1]


def test_training_ends_when_patience_is_over() -> None:
    line = trained(Line([0.1, 0.4, 0.3, 0.4, 0.2, 0.9]), patience=3)
    assert len(line.seen) == 5
    assert weights(line) == line.seen[1]


def test_without_a_quality_the_last_epoch_counts() -> None:
    line = trained(Line(), patience=1)
    assert len(line.seen) == 6
    assert weights(line) == line.seen[-1]


def test_the_learning_rate_falls_in_equal_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[float] = []

    def step(self: Adam, gradients: list[torch.Tensor], learning_rate: float) -> None:
        rates.append(learning_rate)

    monkeypatch.setattr(Adam, "step", step)
    trained(Line(), epochs=5, learning_rate=0.1)
    assert rates == pytest.approx(np.repeat([0.1, 0.08, 0.06, 0.04, 0.02], 3))


def test_a_shorter_training_is_the_beginning_of_the_whole() -> None:
    whole, short = trained(Line(), epochs=6), trained(Line(), epochs=6, stop_after=4)
    assert short.seen == whole.seen[:4]
    assert weights(short) == whole.seen[3]


def test_the_loss_falls() -> None:
    line = trained(Line(), epochs=200)
    assert line.loss(1).item() < 0.5 * Line().loss(1).item()


@pytest.mark.parametrize("stop_in", [1, 4])
@pytest.mark.parametrize("qualities", [None, [0.1, 0.4, 0.3, 0.35, 0.2, 0.3]])
def test_a_killed_fit_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_in: int, qualities: list[float] | None
) -> None:
    monkeypatch.setattr(checkpoint, "_SECONDS", 0)
    whole = trained(Line(qualities))
    with pytest.raises(KeyboardInterrupt):
        trained(Line(qualities, stop_in), checkpoints=Checkpoints(tmp_path / "kept", "a"))
    resumed = trained(Line(qualities), checkpoints=Checkpoints(tmp_path / "kept", "a"))
    assert len(resumed.seen) == 6 - stop_in
    assert weights(resumed) == weights(whole)


@pytest.mark.parametrize("damage", ["another fit", "half a file", "no file"])
def test_a_checkpoint_that_does_not_fit_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(checkpoint, "_SECONDS", 0)
    trained(Line(), epochs=3, checkpoints=Checkpoints(tmp_path, "a"))
    file = tmp_path / "checkpoint.npz"
    if damage == "half a file":
        file.write_bytes(file.read_bytes()[:400])
    if damage == "no file":
        file.unlink()
    asked = "b" if damage == "another fit" else "a"
    anew = trained(Line(), checkpoints=Checkpoints(tmp_path, asked))
    assert len(anew.seen) == 6
    assert weights(anew) == weights(trained(Line()))


def test_of_a_quick_fit_the_last_checkpoint_alone_is_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(Line(stop_in=5), checkpoints=Checkpoints(tmp_path / "kept", "a"))
    assert not (tmp_path / "kept").exists()
    whole = trained(Line(), checkpoints=Checkpoints(tmp_path / "kept", "a"))
    again = trained(Line(), checkpoints=Checkpoints(tmp_path / "kept", "a"))
    assert again.seen == []
    assert weights(again) == weights(whole)


def test_a_loss_that_is_nan_is_an_error_with_advice() -> None:
    line = Line()
    with torch.no_grad():
        line.network[1].weight.fill_(float("nan"))
    with pytest.raises(
        DivergedError, match=r"^line: the loss became nan in epoch 1; a lower `learning_rate` is safer$"
    ):
        trained(line)


def test_the_seed_alone_decides() -> None:
    first = weights(trained(Line()))
    torch.rand(5)
    assert weights(trained(Line())) == first
