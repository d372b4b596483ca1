"""The softmax loss of `two_tower` in one pass over the logits on a CPU; torch takes ten. Imports torch."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch

from models.numerics.threads import one_launch

_MASKED = -1e9


def corrected_softmax(
    users: torch.Tensor, items: torch.Tensor, log_counts: torch.Tensor, hits: torch.Tensor
) -> torch.Tensor:
    """Return the mean cross-entropy of each user's target against a sample of items with known expected counts.

    The logarithm of the expected count is subtracted from each sampled logit (Yi et al. 2019, section 3), so that the
    expected sum in the denominator is that of all items. The target is no sample: it is not corrected, and samples of
    the same item do not count.

    Args:
        users: (b, f) float32, whose products with items are logits.
        items: (n, f) float32 the sampled items; item i is the target of user i, for i < b.
        log_counts: (n,) float32, logarithm of how often each is expected in the sample.
        hits: (2, m) int64, rows, rising, and columns where a sampled item is the row's own target.
    """
    if users.device.type != "cpu":
        return plain_softmax(users, items, log_counts, hits)
    found: torch.Tensor = _OnePass.apply(users, items, log_counts, hits)
    return found


def plain_softmax(
    users: torch.Tensor, items: torch.Tensor, log_counts: torch.Tensor, hits: torch.Tensor
) -> torch.Tensor:
    """Return the same by operations of torch: on a GPU, and to test the other way."""
    target = (users * items[: len(users)]).sum(dim=1)
    others = torch.addmm(-log_counts, users, items.T)
    others[hits[0], hits[1]] = _MASKED
    return (torch.logaddexp(target, others.logsumexp(dim=1)) - target).mean()


class _OnePass(torch.autograd.Function):
    """Keeps the shares of the softmax for the gradients, which are products with them."""

    @staticmethod
    def forward(ctx: Any, users: Any, items: Any, log_counts: Any, hits: Any) -> torch.Tensor:
        shares = users @ items.T
        targets = np.empty(len(users), np.float32)
        losses = np.empty(len(users), np.float32)
        columns = hits[1].numpy()
        starts = np.searchsorted(hits[0].numpy(), np.arange(len(users) + 1))
        logits = shares.diagonal().numpy().copy()
        with one_launch:
            _to_shares(shares.numpy(), logits, log_counts.numpy(), starts, columns, targets, losses)
        ctx.save_for_backward(users, items, shares, torch.from_numpy(targets))
        all_of_them = users.sum() + items.sum() + log_counts.sum()
        loss = torch.from_numpy(losses).mean()
        return loss if all_of_them.isfinite() else loss * torch.nan  # fast math may have lost a NaN

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        users, items, shares, targets = ctx.saved_tensors
        each = gradient / len(users)
        off = ((targets - 1) * each)[:, None]
        of_users = (shares @ items).mul_(each).addcmul_(off, items[: len(users)])
        of_items = (shares.T @ users).mul_(each)
        of_items[: len(users)] += off * users
        return of_users, of_items, None, None


@numba.njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _to_shares(
    logits: Any, own: Any, log_counts: Any, starts: Any, columns: Any, targets: Any, losses: Any
) -> None:
    """Replace logits, (b, n), by shares of the softmax; write each target's share, and −log of it.

    Fast math: the last bits depend on the processor; divergence is looked for after the epoch.
    """
    for row in numba.prange(len(own)):
        scores, greatest = logits[row], own[row]
        for n in range(len(scores)):
            scores[n] -= log_counts[n]
        for at in range(starts[row], starts[row + 1]):
            scores[columns[at]] = np.float32(_MASKED)
        for n in range(len(scores)):
            greatest = max(greatest, scores[n])
        target = _exp(own[row] - greatest)
        total = target
        for n in range(len(scores)):
            scores[n] = _exp(scores[n] - greatest)
            total += scores[n]
        for n in range(len(scores)):
            scores[n] /= total
        targets[row] = target / total
        losses[row] = np.log(total) + greatest - own[row]


@numba.njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _exp(x: Any) -> Any:
    """Return e^x.

    A copy of that in `models.graph.sampled_softmax`: numba's cache notices changes only in a kernel's own file.
    """
    x = min(max(x, np.float32(-87)), np.float32(88))
    k = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * r + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    y = y * r * r + r + np.float32(1)
    return y * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
