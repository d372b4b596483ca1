"""Layers with randomness of their own: each draws from a generator that the training loop hands out. Imports torch.

torch's dropout draws from one generator of the whole process, which fits side by side would share.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_STEPS = 2**16  # values of a random number of 16 bits; a share of dropout is a whole number of them


class RandomLayer(nn.Module):
    """A layer that draws random numbers while it is trained."""

    generator: torch.Generator | None = None


class Dropout(RandomLayer):
    """Sets a random share of the entries to 0 in training and scales the others up (Srivastava et al. 2014).

    Args:
        share: of the entries that become 0, to within 1 / 131,072.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x with entries dropped; unchanged outside training."""
        if not self.training or not self.share:
            return x
        left = max(round((1 - self.share) * _STEPS), 1)
        if left == _STEPS:
            return x
        kept = _uniform(x, self.generator) < left - _STEPS // 2
        return x * kept.to(x.dtype).mul_(_STEPS / left)


def _uniform(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Return uniform integers of 16 bits in the shape of x, four from each number that the generator draws."""
    drawn = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)
    drawn.random_(-(2**63), None, generator=generator)
    return drawn.view(torch.int16)[: x.numel()].view(x.shape)


class GaussianSample(RandomLayer):
    """Draws from normal distributions so that gradients pass (Kingma & Welling 2014, section 2.4)."""

    def forward(self, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        """Return mean + ε · standard deviation in training, and the mean otherwise."""
        if not self.training:
            return mean
        noise = torch.empty_like(mean).normal_(generator=self.generator)
        return mean + noise * torch.exp(0.5 * log_variance)


def distinct_rows(table: nn.Parameter, rows: torch.Tensor) -> torch.Tensor:
    """Return rows of a table, (k, f), whose gradient is sparse: the optimizer reads and changes those rows alone.

    Args:
        table: (n, f).
        rows: (k,) int64, all different.
    """
    return functional.embedding(rows, table, sparse=True)


def give_generator(network: nn.Module, seed: int) -> None:
    """Give all random layers one new generator.

    Args:
        network: with parameters, on the device to train on.
        seed: of the generator.
    """
    device = next(network.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, RandomLayer):
            layer.generator = generator
