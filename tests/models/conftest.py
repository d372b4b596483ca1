from collections.abc import Iterator

import pytest

from models.numerics.threads import one_blas_thread


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Matrices this small only keep several threads of BLAS waiting for each other."""
    with one_blas_thread():
        yield
