"""Dropout hides the share it was told, and its noise is that of the generator it was given."""

from __future__ import annotations

import pytest
import torch

from models.neural.layers import Dropout, give_generator


def dropped(share: float, shape: tuple[int, ...], seed: int = 1) -> torch.Tensor:
    """Return ones after dropout in training."""
    layer = torch.nn.Sequential(torch.nn.Linear(1, 1), Dropout(share))
    give_generator(layer, seed)
    found: torch.Tensor = layer[1](torch.ones(shape))
    return found


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_the_share_is_hidden_and_the_mean_stays(share: float) -> None:
    found = dropped(share, (400, 501))
    assert (found == 0).float().mean().item() == pytest.approx(share, abs=0.005)
    assert found.mean().item() == pytest.approx(1, abs=0.02)
    assert len(found.unique()) == 2, "all others are scaled alike"


def test_neighbours_are_hidden_independently() -> None:
    """Four entries share a number of the generator: each must have bits of its own."""
    hidden = (dropped(0.5, (100_000, 4)) == 0).double()
    correlation = torch.corrcoef(hidden.T) - torch.eye(4)
    assert correlation.abs().max().item() < 0.02


def test_the_noise_is_that_of_the_seed() -> None:
    assert torch.equal(dropped(0.5, (7, 9)), dropped(0.5, (7, 9)))
    assert not torch.equal(dropped(0.5, (7, 9)), dropped(0.5, (7, 9), seed=2))


@pytest.mark.parametrize("shape", [(0, 3), (1,), (5,), (3, 1, 3)])
def test_any_shape_keeps_its_shape(shape: tuple[int, ...]) -> None:
    assert dropped(0.5, shape).shape == shape


def test_gradients_pass_where_entries_are_left() -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(1, 1), Dropout(0.5))
    give_generator(layer, 3)
    x = torch.ones(1000, requires_grad=True)
    found = layer[1](x)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert torch.equal(gradient, found.detach())


def test_a_share_of_nearly_all_stays_finite() -> None:
    assert torch.isfinite(dropped(0.999999, (1000,))).all()


def test_a_tiny_share_hides_nothing() -> None:
    assert torch.equal(dropped(1e-6, (50, 50)), torch.ones(50, 50))


def test_nothing_is_hidden_outside_training() -> None:
    layer = Dropout(0.5).eval()
    assert torch.equal(layer(torch.ones(9)), torch.ones(9))
