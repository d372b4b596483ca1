"""Classes of users and items; metrics of slices add up to those of all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.evaluation.metrics import RANKING_METRICS, ranking_metrics
from models.evaluation.slices import (
    ITEM_CLASSES,
    NEW_BELOW,
    USER_CLASSES,
    item_classes,
    restricted,
    user_classes,
)
from tests.examples import examples
from tests.models.evaluation.test_beyond_accuracy import random_lists


def names(classes: np.ndarray, of: tuple[str, ...]) -> list[str]:
    return [of[number] if number >= 0 else "" for number in classes]


def test_item_classes_of_a_worked_example():
    """Of 100 interactions, none lie above the head, 60 above the middle item and 80 above the two tail items."""
    found = item_classes(np.array([10, 20, 0, 60, 10]))
    assert names(found, ITEM_CLASSES) == ["tail", "middle", "", "head", "tail"]


def test_the_head_ends_where_a_fifth_lies_above():
    found = item_classes(np.array([20, 16, 16, 16, 16, 16]))
    assert names(found, ITEM_CLASSES) == ["head", *["middle"] * 5]


@settings(max_examples=examples(60))
@given(st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_item_classes_follow_the_share_of_more_popular_items(counts):
    classes = item_classes(np.array(counts))
    for count, found in zip(counts, classes, strict=True):
        above = sum(other for other in counts if other > count)
        fifths = 5 * above / max(sum(counts), 1)
        expected = "head" if fifths < 1 else "middle" if fifths < 4 else "tail"
        assert ITEM_CLASSES[found] == expected if count else found == -1


def test_users_with_few_items_are_new_and_others_form_thirds():
    met = np.array([0, NEW_BELOW - 1, 10, 11, 50, 60, 700, 800])
    assert names(user_classes(met), USER_CLASSES) == [
        "new", "new", "light", "light", "medium", "medium", "heavy", "heavy",
    ]  # fmt: skip
    assert names(user_classes(np.array([3, 4])), USER_CLASSES) == ["new", "new"]
    assert len(set(user_classes(np.full(9, 30)))) == 1, "histories of equal length are in the same class"


@settings(max_examples=examples(60))
@given(st.lists(st.integers(0, 200), min_size=1, max_size=30))
def test_longer_histories_are_never_in_a_lower_class(met):
    classes = user_classes(np.sort(met))
    assert (np.diff(classes) >= 0).all()
    assert [met < NEW_BELOW for met in sorted(met)] == (classes == 0).tolist()


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10_000), n_rows=st.integers(1, 8), n_items=st.integers(3, 20), k=st.integers(1, 9))
def test_hits_of_the_item_classes_add_up(seed, n_rows, n_items, k):
    rng = np.random.default_rng(seed)
    lists = random_lists(rng, n_rows, n_items, 9)
    relevant = sparse.csr_array((rng.random((n_rows, n_items)) < 0.4).astype(np.float32))
    classes = rng.integers(0, 3, n_items)
    hits, wanted = np.zeros(n_rows), np.zeros(n_rows)
    for number in range(3):
        part = restricted(relevant, classes == number)
        assert (part.toarray() == relevant.toarray() * (classes == number)).all()
        of_part = np.diff(part.indptr)
        wanted += of_part
        hits += np.nan_to_num(ranking_metrics(lists, part, [k])[f"recall@{k}"]) * of_part
    whole = ranking_metrics(lists, relevant, [k])[f"recall@{k}"]
    assert wanted.tolist() == np.diff(relevant.indptr).tolist()
    assert hits == pytest.approx(np.nan_to_num(whole) * wanted)


def test_a_slice_ignores_relevant_items_of_others():
    lists = np.array([[0, 1, 2, 3]], np.int32)
    relevant = sparse.csr_array(np.array([[1, 0, 1, 0, 1]], np.float32))
    tail = np.array([False, False, True, True, True])
    only_tail = sparse.csr_array(np.array([[0, 0, 1, 0, 1]], np.float32))
    found = ranking_metrics(lists, restricted(relevant, tail), [4])
    expected = ranking_metrics(lists, only_tail, [4])
    assert [found[f"{m.name}@4"][0] for m in RANKING_METRICS] == [
        expected[f"{m.name}@4"][0] for m in RANKING_METRICS
    ]
    assert found["recall@4"][0] == 1 / 2
