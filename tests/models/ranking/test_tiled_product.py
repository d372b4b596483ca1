"""The tiled product against the plain one, bit by bit, and when a model uses it."""

import numpy as np
import pytest
from scipy import sparse

from models.neighbours.item_knn import ItemKNN
from models.ranking import item_item_model, item_item_scorer, tiled_product
from models.ranking.tiled_product import Tiles
from tests.models.contract import small_world
from tests.models.threads import on_one_and_all_threads


def random_rows(
    rng: np.random.Generator, shape: tuple[int, int], share: np.ndarray | float
) -> sparse.csr_array:
    values = rng.normal(size=shape) * (rng.random(shape) < share)
    return sparse.csr_array(values.astype(np.float32))


@pytest.mark.parametrize("n_columns", [1, 1024, 1025, 3000])
def test_product_has_the_bits_of_the_plain_one(n_columns: int) -> None:
    """Rows are short, long enough to be spread out, or empty; some sums cancel out to zero."""
    rng = np.random.default_rng(n_columns)
    share = rng.choice([0.0, 0.01, 0.1, 0.5, 1.0], (40, 1))
    right = random_rows(rng, (40, n_columns), share)
    left = random_rows(rng, (150, 40), 0.4)
    left.data[:200] = 0
    rows = rng.integers(0, 150, 137)
    plain = np.concatenate([block.copy() for _, block in item_item_scorer.product_blocks(left, right, rows)])
    tiles = Tiles(right)
    product = np.full((len(rows), n_columns), np.nan, np.float32)

    def tiled() -> np.ndarray:
        tiles.multiply(left, rows, product)
        return product.copy()

    for found in on_one_and_all_threads(tiled):
        assert np.array_equal(found.view(np.int32), plain.view(np.int32))
    assert np.isneginf(plain).any()


def test_no_row_and_an_empty_matrix_have_products() -> None:
    nothing = sparse.csr_array((3, 5), dtype=np.float32)
    product = np.zeros((2, 5), np.float32)
    Tiles(nothing).multiply(sparse.csr_array((4, 3), dtype=np.float32), np.array([0, 3]), product)
    assert np.isneginf(product).all()
    Tiles(nothing).multiply(sparse.csr_array((4, 3), dtype=np.float32), np.empty(0, np.int64), product[:0])


def test_model_lists_the_same_with_and_without_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_world()
    model = ItemKNN().fit(data, seed=1)
    users = np.arange(data.n_users)
    plain = model.recommend(users, 10, exclude=data.seen)
    assert model._tiles is None, "the matrix is small"
    monkeypatch.setattr(tiled_product, "_LEAST_ENTRIES", 1)
    monkeypatch.setattr(tiled_product, "_LEAST_SEGMENT", 0)
    monkeypatch.setattr(item_item_model, "_LEAST_USERS", len(users) // 2)
    tiled = model.recommend(users, 10, exclude=data.seen)
    assert np.array_equal(tiled.items, plain.items)
    assert np.array_equal(tiled.scores, plain.scores, equal_nan=True)
    made = model._tiles
    assert made is not None
    model.recommend(users, 3)
    assert model._tiles is made
    model.fit(data, seed=2)
    model.recommend(users, 3)
    assert model._tiles is not made, "the tiles of the earlier fit are not used"
