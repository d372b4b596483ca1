"""What all models of the library `implicit` need around their `fit`."""

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
    """Fit one of the models of `implicit.cpu` and return its (n_users, f) and (n_items, f) float32 factors.

    It is a fresh one for every fit: implicit's own keep their old number of rows when they are fitted again. Its
    threads and those of BLAS get in each other's way: left alone, a fit of ALS takes three times as long.

    Args:
        model_class: such as `AlternatingLeastSquares`.
        matrix: (n_users, n_items) float32.
        progress: told after every iteration.
        stages: options that change while it trains: each stage goes on from where the one before it ended.
        start: the factors to begin with; by default implicit draws them.
        options: of the model.

    Raises:
        RuntimeError: the factors are not those of the matrix.
    """
    from implicit.recommender_base import ModelFitError  # noqa: PLC0415  (only who fits pays for implicit)

    # Factors that are NaN are told by our own check, as those of every other factor model.
    with one_blas_thread(), suppress(ModelFitError):
        model = model_class(**options)
        if start is not None:
            model.user_factors, model.item_factors = start
        total = sum(stage.get("iterations", model.iterations) for stage in stages)
        told = count(1)
        for stage in stages:
            vars(model).update(stage)
            model.fit(
                sparse.csr_matrix(matrix),  # it refuses a csr_array
                show_progress=False,
                callback=lambda *_: progress(next(told), total),
            )
    if (len(model.user_factors), len(model.item_factors)) != matrix.shape:
        raise RuntimeError(
            f"implicit learned {len(model.user_factors)} users and {len(model.item_factors)} items, "
            f"but the matrix has {matrix.shape[0]} and {matrix.shape[1]}"
        )
    return model.user_factors, model.item_factors
