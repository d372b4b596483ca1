"""Fit a blend on one matrix alone: learn its weights on a part carved out of it, then refit its members on all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import fitted, model_config
from models.base import Config
from models.ensemble.blend import Blend, BlendConfig
from models.ensemble.cross_fitting import LearningReport, TooFewUsersError, learn
from models.ensemble.settings import BlendOptions
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions, touched_items
from tasks.errors import UsageError

SHARE = 0.1
"""Share of each user's likes that the members do not see when the weights are learned."""
METRIC_AT = 20


def member_configs(names: Sequence[str], options: Sequence[str]) -> dict[str, Config]:
    """Return the config of each member.

    Args:
        names: of models; each once.
        options: such as `als.factors=64`.

    Raises:
        UsageError: a name is there twice, an option names no member, or as `model_config`.
    """
    if len(set(names)) < len(names):
        raise UsageError(f"A member is named twice: {', '.join(names)}.")
    given: dict[str, list[str]] = {name: [] for name in names}
    for option in options:
        name, dot, rest = option.partition(".")
        if not dot or name not in given:
            raise UsageError(f"{option!r} is no option of a member, such as {names[0]}.seed=1.")
        given[name].append(rest)
    return {name: model_config(name, given[name]) for name in names}


def carve(likes: sparse.csr_array, share: float, seed: int) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Divide each user's likes at random; return those that are kept, and those that are held out.

    Args:
        likes: (n_users, n_items) float32.
        share: of a user's likes that is held out, rounded down by chance or up; a user keeps at least one.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    lengths = np.diff(likes.indptr)
    rows = np.repeat(np.arange(likes.shape[0]), lengths)
    n_held = np.minimum(np.floor(lengths * share + rng.random(len(lengths))), np.maximum(lengths - 1, 0))
    order = np.lexsort((rng.random(likes.nnz), rows))
    place = np.empty(likes.nnz, np.int64)
    place[order] = np.arange(likes.nnz) - likes.indptr[rows]
    held = place < n_held[rows]
    return _only(likes, rows, ~held), _only(likes, rows, held)


def _only(likes: sparse.csr_array, rows: NDArray[np.int64], kept: NDArray[np.bool_]) -> sparse.csr_array:
    found = sparse.csr_array((likes.data[kept], (rows[kept], likes.indices[kept])), shape=likes.shape)
    found.sort_indices()
    return found


def fitted_blend(
    configs: Mapping[str, Config],
    likes: sparse.csr_array,
    options: BlendOptions,
    *,
    with_side_data: Callable[[Interactions], Interactions],
    seed: int,
) -> tuple[Blend, LearningReport, float]:
    """Learn the weights of a blend on a part of the likes, and refit its members on all of them.

    Args:
        configs: of the members, in their order.
        likes: (n_users, n_items) float32.
        options: how the weights are learned.
        with_side_data: adds what is known beside the likes.
        seed: of the carve, of the fits and of the weights.

    Returns:
        The blend, how it was learned, and the seconds of all fits of its members.
    """
    kept, held = carve(likes, SHARE, seed)
    first = with_side_data(Interactions.from_positive(kept))
    blend, spent = _of_members(configs, first, options, {}, seed)

    def measure(lists: NDArray[np.int32], relevant: sparse.csr_array) -> NDArray[np.float64]:
        return ranking_metrics(lists, relevant, [METRIC_AT])[f"ndcg@{METRIC_AT}"]

    users = np.flatnonzero(np.diff(held.indptr))
    try:
        learned, report = learn(
            blend, users, sparse.csr_array(held[users]), options, measure,
            exclude=first.seen, eligible=touched_items(first.seen), n=METRIC_AT, seed=seed,
        )  # fmt: skip
    except TooFewUsersError as error:
        raise UsageError(f"The weights of a blend cannot be learned: {error}.") from None
    weights, used = learned.config.weights, learned.config.members
    del blend, learned
    whole = with_side_data(Interactions.from_positive(likes))
    in_use = {name: config for name, config in configs.items() if name in used}
    refitted, more = _of_members(in_use, whole, options, weights, seed)
    return refitted, report, spent + more


def _of_members(
    configs: Mapping[str, Config],
    data: Interactions,
    options: BlendOptions,
    weights: dict[str, float],
    seed: int,
) -> tuple[Blend, float]:
    """Fit the members and a blend of them; return it, and the seconds of the members' fits."""
    members, spent = [], 0.0
    for name, config in configs.items():
        model, seconds = fitted(name, config, data, seed)
        print(
            f"{name}: fitted on {data.positive.nnz:,} likes in {seconds:.0f} s", file=sys.stderr, flush=True
        )
        members.append(model)
        spent += seconds
    config = BlendConfig(
        candidates=options.candidates, members={name: name for name in configs}, weights=weights
    )
    return Blend(config, members).fit(data, seed=seed), spent
