from collections.abc import Iterator

import pytest

from models.numerics.threads import one_blas_thread


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One BLAS thread: with matrices this small, several threads only wait for each other."""
    with one_blas_thread():
        yield
