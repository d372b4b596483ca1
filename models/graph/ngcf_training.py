"""Training of NGCF by lazy propagation, as of LightGCN: one propagation for a part of an epoch. Imports torch.

For a part of an epoch, gradient descent changes the final embeddings, all layers concatenated, as if they were the
parameters. Then the change is sent back through the network as a gradient: with J the Jacobian of the final embeddings,
the base embeddings move by gain · Jᵀ change, and the matrices of the layers take a step of Adam in that direction.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from models.base import FloatArray, Progress
from models.device import torch_device
from models.graph.bi_interaction import final_embeddings, graph_product
from models.graph.initial_embeddings import noise, overlay, singular_embeddings
from models.graph.propagation import normalized_adjacency
from models.graph.sampled_softmax import ShardedDescent
from models.numerics.adam import Adam
from models.warm_start import WarmStart, fill_from_neighbours, fill_new_rows

if TYPE_CHECKING:
    from models.graph.ngcf_config import NGCFConfig

_PASSED_ON = 0.5  # the first W1 is this times the identity, because A + I can double a vector


def train(
    matrix: sparse.csr_array,
    config: NGCFConfig,
    rng: np.random.Generator,
    progress: Progress,
    warm_start: WarmStart | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Train NGCF and return its embeddings and matrices.

    Args:
        matrix: (n_users, n_items), the positives.
        config: hyperparameters.
        rng: source of randomness.
        progress: called after every epoch.
        warm_start: embeddings and matrices to start from.

    Returns:
        The final embeddings, (n_users + n_items, (layers + 1) · factors), users first; the base embeddings,
        (n_users + n_items, factors); the matrices of the layers, (layers, 2 · factors, factors). All are float32.
    """
    device, n_users = torch_device(config.device), matrix.shape[0]
    adjacency = normalized_adjacency(matrix)
    product = graph_product(adjacency, device)
    likes = sparse.csr_array(adjacency[:n_users, n_users:])
    base, *weights = (
        torch.from_numpy(array).to(device).requires_grad_()
        for array in (
            initial_parameters(likes, config, rng)
            if warm_start is None
            else warm_parameters(warm_start, matrix, config, rng)
        )
    )
    optimizer = Adam(weights)
    descent = ShardedDescent(
        matrix,
        loss=config.loss,
        negatives=config.negatives,
        negative_weight=config.negative_weight,
        seed=int(rng.integers(2**31)),
    )
    gain = config.feedback(matrix.nnz)
    for step, positives in config.refreshed(
        matrix.nnz, descent.shuffled, progress, warm=warm_start is not None
    ):
        final = final_embeddings(base, weights, product, config.message_dropout, rng)
        before = final.detach().cpu().numpy()
        after = before.copy()
        descent.descend(after[:n_users], after[n_users:], positives, step)
        upstream = torch.from_numpy(np.subtract(before, after, out=after)).to(device)
        of_base, *of_weights = torch.autograd.grad(final, [base, *weights], upstream)
        with torch.no_grad():
            base.mul_(config.decay(step)).sub_(of_base, alpha=gain)
        optimizer.step(of_weights, config.learning_rate * step / config.step)
    with torch.no_grad():
        final = final_embeddings(base, weights, product)
        layers = torch.stack([each.detach() for each in weights])
    found = (final, base.detach(), layers)
    embeddings, own, matrices = (np.ascontiguousarray(each.cpu().numpy()) for each in found)
    return embeddings, own, matrices


def warm_parameters(
    warm_start: WarmStart, matrix: sparse.csr_array, config: NGCFConfig, rng: np.random.Generator
) -> tuple[FloatArray, ...]:
    """Return what `initial_parameters` does, of the earlier fit; noise for rows without any known neighbour.

    Args:
        warm_start: of the earlier fit.
        matrix: (n_users, n_items), the positives.
        config: hyperparameters.
        rng: draws the noise.
    """
    factors, (n_users, n_items) = config.width(matrix.nnz), matrix.shape
    users = warm_start.take("user_base_", n_users, factors)
    items = warm_start.take("item_base_", n_items, factors)
    fill_from_neighbours(users, items, matrix)
    base = np.vstack([users, items])
    fill_new_rows(base, noise(len(base), factors, rng))
    return base, *warm_start.take("layer_weights_", config.layers, 2 * factors, factors)


def initial_parameters(
    likes: sparse.csr_array, config: NGCFConfig, rng: np.random.Generator
) -> tuple[FloatArray, ...]:
    """Return the embeddings of users and items, and for each layer its matrices, W1 above W2.

    Args:
        likes: (n_users, n_items), normalized by the roots of both degrees.
        config: hyperparameters.
        rng: source of randomness.

    Returns:
        (n_users + n_items, factors), then `layers` times (2 · factors, factors), all float32.
    """
    factors = config.width(likes.nnz)
    base = noise(sum(likes.shape), factors, rng)
    if config.start == "xavier":
        return base, *(_xavier(2 * factors, factors, rng) for _ in range(config.layers))
    overlay(base, singular_embeddings(likes, factors, rng))
    # propagation smooths singular vectors as they are; a random W1 would scramble them
    smooths = np.vstack([_PASSED_ON * np.eye(factors), np.zeros((factors, factors))]).astype(np.float32)
    return base, *(smooths.copy() for _ in range(config.layers))


def _xavier(rows: int, columns: int, rng: np.random.Generator) -> FloatArray:
    """Draw a uniform matrix of variance 2 / (rows + columns) (Glorot & Bengio 2010)."""
    bound = sqrt(6 / (rows + columns))
    return rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)
