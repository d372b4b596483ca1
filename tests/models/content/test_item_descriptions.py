"""Descriptions of items: kinds of equal weight, every source read, nothing that likes could leak into."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from models.content.item_descriptions import described_items
from models.interactions import Interactions
from models.relations import Relations

NAMES = ("director:A", "genre:X", "genre:Y", "tag:a", "tag:b", "tag:c")
COUNTS = np.array(
    [[1, 1, 0, 3, 1, 2], [1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
)


def described(counts: np.ndarray = COUNTS) -> Interactions:
    likes = Interactions.from_positive(sparse.csr_array(np.eye(len(counts))))
    features = sparse.csr_array(counts, dtype=np.float32)
    return replace(likes, item_features=features, feature_names=NAMES)


def dense(data: Interactions) -> np.ndarray:
    found = described_items(data)
    assert found.has_canonical_format
    assert found.dtype == np.float32
    assert found.indices.dtype == np.int32
    assert found.data.all()
    return found.toarray()


def test_every_kind_of_an_item_weighs_the_same() -> None:
    rows = dense(described())
    squares = np.column_stack([np.square(rows[:, part]).sum(axis=1) for part in ([0], [1, 2], [3, 4, 5])])
    np.testing.assert_allclose(
        squares,
        [[1 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 0], [0, 1 / 2, 1 / 2], [0, 1, 0], [0, 0, 0]],
        atol=1e-6,
    )


def test_more_frequent_tags_weigh_more_within_their_kind() -> None:
    tags = dense(described())[0, 3:]
    np.testing.assert_allclose(tags / tags[1], np.log1p([3, 1, 2]) / np.log(2), rtol=1e-5)


def test_title_words_are_features() -> None:
    words = sparse.csr_array(np.array([[0], [1], [0], [0], [1]], dtype=np.float32))
    rows = dense(replace(described(), title_words=words, title_word_names=("night",)))
    assert rows.shape == (5, 7)
    assert rows[4].tolist() == [0, 0, 0, 0, 0, 0, 1]
    np.testing.assert_allclose(np.square(rows[1]), [1 / 3, 0, 1 / 3, 0, 0, 0, 1 / 3], atol=1e-6)


def test_facts_of_entities_are_features_in_both_directions() -> None:
    triples = np.array(
        [[0, 0, 5], [5, 0, 4], [4, 0, 5], [1, 1, 6], [2, 1, 6], [3, 1, 2], [5, 1, 6]], np.int32
    )
    facts = Relations(triples, 5, ("made_by", "about"), ("studio", "war"))
    rows = dense(replace(described(0 * COUNTS), relations=facts))[:, len(NAMES) :]
    assert rows.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_without_any_description_there_are_no_columns() -> None:
    bare = Interactions.from_positive(sparse.csr_array(np.eye(3)))
    assert described_items(bare).shape == (3, 0)


def test_features_of_one_item_or_of_all_say_nothing() -> None:
    counts = np.zeros((5, 6))
    counts[:, 1] = 1
    counts[2, 3] = 1
    assert not dense(described(counts)).any()
