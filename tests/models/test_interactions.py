from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models import interactions
from models.interactions import Interactions, load_feature_names, load_matrix
from models.relations import Relations
from tests.models.contract import small_world


def test_a_transposed_matrix_is_refused():
    world = small_world()
    with pytest.raises(ValueError, match=r"'composite' has shape \(40, 60\), but 'seen' has \(60, 40\)"):
        replace(world, composite=sparse.csr_array(world.composite.T))


@pytest.mark.parametrize("indices", [[2, 0], [1, 1]], ids=["unsorted", "repeated"])
@pytest.mark.parametrize("name", ["seen", "rating", "positive", "composite", "timestamp", "item_features"])
def test_a_matrix_that_is_not_canonical_is_refused(name: str, indices: list[int]) -> None:
    features = sparse.csr_array((40, 3), dtype=np.float32)
    world = replace(small_world(), item_features=features, feature_names=("a", "b", "c"))
    parts = (
        np.ones(2, getattr(world, name).dtype),
        np.array(indices),
        np.r_[0, np.full(getattr(world, name).shape[0], 2)],
    )
    with pytest.raises(ValueError, match=f"'{name}' has unsorted or repeated indices"):
        replace(world, **{name: sparse.csr_array(parts, shape=getattr(world, name).shape)})


@pytest.mark.parametrize("name", ["seen", "rating", "positive", "composite", "timestamp", "item_features"])
def test_a_matrix_of_another_dtype_or_form_is_refused(name: str) -> None:
    world = small_world()
    matrix = getattr(world, name)
    wanted = "int64" if name == "timestamp" else "float32"
    with pytest.raises(ValueError, match=f"matrix '{name}' holds float64: make it {wanted}"):
        replace(world, **{name: matrix.astype(np.float64)})
    for other in (matrix.tocsc(), matrix.tocoo(), sparse.csr_matrix(matrix)):
        with pytest.raises(ValueError, match=f"matrix '{name}' is a .*: make it a csr_array"):
            replace(world, **{name: other})


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_indices_become_int32(dtype: type) -> None:
    world = small_world()
    given = sparse.csr_array(
        (world.seen.data, world.seen.indices.astype(dtype), world.seen.indptr.astype(dtype)), world.seen.shape
    )
    given.sum_duplicates()
    made = replace(world, seen=given).seen
    assert made.indices.dtype == made.indptr.dtype == np.int32
    assert made.has_canonical_format
    assert np.array_equal(made.toarray(), world.seen.toarray())
    assert given.indices.dtype == dtype, "the input is not changed"


def test_indices_that_do_not_fit_stay_int64() -> None:
    wide = sparse.csr_array(([1.0], ([0], [2**31 + 5])), shape=(1, 2**31 + 9))
    assert interactions._with_short_indices(wide) is wide


def test_features_without_names_are_refused():
    features = sparse.csr_array((40, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="1 feature names"):
        replace(small_world(), item_features=features, feature_names=("genre:Drama",))


def test_saved_interactions_load_unchanged(tmp_path):
    features = sparse.csr_array(np.eye(40, 2, dtype=np.float32))
    world = replace(small_world(), item_features=features, feature_names=("genre:Drama", "tag:déjà vu"))
    world.save(tmp_path)
    loaded = Interactions.load(tmp_path)
    assert loaded.feature_names == world.feature_names
    for name in ("seen", "rating", "positive", "composite", "timestamp", "item_features"):
        ours, theirs = getattr(world, name), getattr(loaded, name)
        assert isinstance(theirs, sparse.csr_array)
        assert ours.dtype == theirs.dtype
        assert (ours != theirs).nnz == 0
        assert (load_matrix(tmp_path, name) != ours).nnz == 0
    assert load_feature_names(tmp_path) == world.feature_names


def test_from_positive_makes_every_matrix_of_the_likes():
    twice = sparse.csr_array(
        (np.array([1.0, 1, 5]), (np.array([0, 0, 1]), np.array([2, 2, 0]))), shape=(2, 3)
    )
    made = Interactions.from_positive(twice)
    for name in ("rating", "positive", "composite"):
        assert made.matrix(name).toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert twice.data.max() == 5, "the input is not changed"


def _with_side_data() -> Interactions:
    world, rng = small_world(), np.random.default_rng(0)
    links = sparse.csr_array((rng.random((60, 60)) < 0.1).astype(np.float32))
    links.setdiag(0)
    links.eliminate_zeros()
    return replace(
        world,
        title_words=sparse.csr_array(rng.integers(0, 2, (40, 2)).astype(np.float32)),
        title_word_names=("river", "été"),
        user_features=sparse.csr_array(rng.integers(0, 2, (60, 3)).astype(np.float32)),
        user_feature_names=("gender:F", "age:18-24", "age:25-34"),
        links=links,
        relations=Relations(np.array([[0, 0, 40]], np.int32), 40, ("director",), ("Lang",)),
    )


def test_side_data_survive_saving(tmp_path: Path) -> None:
    made = _with_side_data()
    made.save(tmp_path)
    read = Interactions.load(tmp_path)
    for name in ("title_words", "user_features", "links"):
        assert np.array_equal(getattr(read, name).toarray(), getattr(made, name).toarray())
    assert read.title_word_names == made.title_word_names
    assert read.user_feature_names == made.user_feature_names
    assert read.relations is not None
    assert np.array_equal(read.relations.triples, made.relations.triples)


def test_absent_side_data_are_none_after_loading(tmp_path: Path) -> None:
    small_world().save(tmp_path)
    read = Interactions.load(tmp_path)
    assert read.title_words is read.user_features is read.links is read.relations is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("title_words", "expected .40 items, 2 title word names"),
        ("user_features", "expected .60 users, 3 user feature names"),
        ("links", r"links have shape \(59, 60\), expected 60 users twice"),
    ],
)
def test_side_data_of_another_shape_are_refused(name: str, reason: str) -> None:
    made = _with_side_data()
    with pytest.raises(ValueError, match=reason):
        replace(made, **{name: sparse.csr_array(getattr(made, name)[1:])})


def test_relations_of_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="relations know 39 items, but 'seen' has 40"):
        replace(small_world(), relations=Relations(np.empty((0, 3), np.int32), 39, (), ()))
