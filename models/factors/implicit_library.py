"""Fit models of the library `implicit`: BLAS limited to one thread, stages, progress, and a check of the result."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from scipy import sparse

from models.base import FloatArray, Progress
from models.numerics.threads import one_blas_thread


def fitted_factors(
    model_class: type[Any],
    matrix: sparse.csr_array | sparse.csr_matrix,
    progress: Progress,
    *,
    stages: Sequence[dict[str, Any]] = ({},),
    start: tuple[FloatArray, FloatArray] | None = None,
    **options: Any,
) -> tuple[FloatArray, FloatArray]:
    """Fit a new model of `implicit.cpu` and return its factors.

    Every fit takes a new model, because a model of implicit keeps its old number of rows when it is fitted again.
    BLAS is limited to one thread, because its threads and implicit's compete: without the limit a fit of ALS takes
    three times as long.

    Args:
        model_class: such as `AlternatingLeastSquares`.
        matrix: (n_users, n_items) float32.
        progress: called after every iteration.
        stages: attributes of the model that change while it trains; each stage continues from the one before it.
        start: (n_users, f) and (n_items, f) float32 factors to start from; by default implicit draws them.
        options: arguments of `model_class`.

    Returns:
        (n_users, f) and (n_items, f) float32; f can be greater than asked for, because implicit appends biases.

    Raises:
        RuntimeError: the factors do not have as many rows as the matrix has users and items.
    """
    from implicit.recommender_base import ModelFitError  # noqa: PLC0415  (takes half a second)

    # implicit raises this for NaN factors: our own check of all factor models reports them with advice
    with one_blas_thread(), suppress(ModelFitError):
        model = model_class(**options)
        if start is not None:
            model.user_factors, model.item_factors = start
        total = sum(stage.get("iterations", model.iterations) for stage in stages)
        done = count(1)
        for stage in stages:
            vars(model).update(stage)
            model.fit(
                sparse.csr_matrix(matrix),  # implicit does not accept a csr_array
                show_progress=False,
                callback=lambda *_: progress(next(done), total),
            )
    if (len(model.user_factors), len(model.item_factors)) != matrix.shape:
        raise RuntimeError(
            f"implicit learned {len(model.user_factors)} users and {len(model.item_factors)} items, "
            f"but the matrix has {matrix.shape[0]} and {matrix.shape[1]}"
        )
    return model.user_factors, model.item_factors
