"""The sampled softmax loss in one pass over the logits on a CPU; torch takes ten. Imports torch."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from models.numerics.threads import one_launch

MASKED = -1e9
"""Logit of a sampled item that does not count, because it is the target itself."""


def corrected_softmax(
    queries: torch.Tensor,
    targets: torch.Tensor,
    items: torch.Tensor,
    log_counts: torch.Tensor,
    hits: torch.Tensor,
) -> torch.Tensor:
    """Return the mean cross-entropy of each target against a sample of items with known expected counts.

    The logarithm of the expected count is subtracted from each sampled logit (Yi et al. 2019, section 3), so that the
    expected sum in the denominator is that of all items. The target is no sample: it is not corrected, and samples of
    the same item do not count.

    Args:
        queries: (b, f) float32, users or places of histories, whose products with targets and items are logits.
        targets: (b, f) float32, the item that belongs to each query.
        items: (n, f) float32, the sampled items, which all queries share.
        log_counts: (n,) float32, logarithm of how often each is expected in the sample.
        hits: (2, m) int64, rows, rising, and columns where a sampled item is the row's own target.
    """
    if queries.device.type != "cpu":
        return plain_softmax(queries, targets, items, log_counts, hits)
    found: torch.Tensor = _OnePass.apply(queries, targets, items, log_counts, hits)
    return found


def plain_softmax(
    queries: torch.Tensor,
    targets: torch.Tensor,
    items: torch.Tensor,
    log_counts: torch.Tensor,
    hits: torch.Tensor,
) -> torch.Tensor:
    """Return the same by operations of torch: on a GPU, and to test the other way. See `corrected_softmax`."""
    own = (queries * targets).sum(dim=1)
    others = torch.addmm(-log_counts, queries, items.T)
    others[hits[0], hits[1]] = MASKED
    return (torch.logaddexp(own, others.logsumexp(dim=1)) - own).mean()


def equal_pairs(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all i and j with left[i] = right[j].

    Args:
        left: (n,).
        right: (k,).

    Returns:
        (2, m) int64, the i, rising, and the j.
    """
    order = np.argsort(right, kind="stable")
    first, end = (np.searchsorted(right[order], left, side=side) for side in ("left", "right"))
    counts = end - first
    rows = np.repeat(np.arange(len(left)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([rows, order[np.repeat(first, counts) + within]])


class _OnePass(torch.autograd.Function):
    """Keeps the shares of the softmax for the gradients, which are products with them."""

    @staticmethod
    def forward(ctx: Any, queries: Any, targets: Any, items: Any, log_counts: Any, hits: Any) -> torch.Tensor:
        logits = queries @ items.T
        own = (queries * targets).sum(dim=1)
        of_targets, losses = (torch.empty(len(queries)) for _ in range(2))
        starts = np.searchsorted(hits[0].numpy(), np.arange(len(queries) + 1))
        arrays = (part.numpy() for part in (hits[1], of_targets, losses))
        with one_launch:
            _to_shares(logits.numpy(), own.numpy(), log_counts.numpy(), starts, *arrays)
        shares = logits
        ctx.save_for_backward(queries, targets, items, shares, of_targets)
        all_of_them = own.sum() + queries.sum() + items.sum() + log_counts.sum()
        loss = losses.mean()
        return loss if all_of_them.isfinite() else loss * torch.nan  # fast math may have lost a NaN

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        queries, targets, items, shares, of_targets = ctx.saved_tensors
        each = gradient / len(queries)
        off = ((of_targets - 1) * each)[:, None]
        of_queries = (shares @ items).mul_(each).addcmul_(off, targets)
        return of_queries, off * queries, (shares.T @ queries).mul_(each), None, None


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
            scores[columns[at]] = np.float32(MASKED)
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
