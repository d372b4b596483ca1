"""How histories of new users are read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.new_users import NewUsers

HISTORIES = st.lists(st.lists(st.integers(-2, 8), max_size=12), max_size=6)


def by_user(new: NewUsers) -> list[list[int]]:
    return [part.tolist() for part in np.split(new.items, new.starts[1:-1])] if len(new.lengths) else []


def last_times(history: list[int], n_items: int) -> list[int]:
    return [item for at, item in enumerate(history) if 0 <= item < n_items and item not in history[at + 1 :]]


@given(HISTORIES)
def test_each_item_stands_at_its_last_time(histories: list[list[int]]) -> None:
    new = NewUsers.of(histories, 7)
    assert by_user(new) == [last_times(history, 7) for history in histories]
    assert new.lengths.tolist() == [len(row) for row in by_user(new)]


@given(HISTORIES)
def test_likes_are_a_canonical_matrix(histories: list[list[int]]) -> None:
    likes = NewUsers.of(histories, 7).likes(0.5)
    expected = np.zeros((len(histories), 7), np.float32)
    for row, history in enumerate(histories):
        expected[row, last_times(history, 7)] = 0.5
    assert likes.has_canonical_format
    assert likes.dtype == np.float32
    assert np.array_equal(likes.toarray(), expected)


@given(HISTORIES)
def test_items_among_a_mask_keep_their_order(histories: list[list[int]]) -> None:
    known = np.arange(7) % 3 > 0
    kept = [[item for item in history if 0 <= item < 7 and known[item]] for history in histories]
    assert by_user(NewUsers.of(histories, 7).among(known)) == by_user(NewUsers.of(kept, 7))


@given(HISTORIES, st.integers(0, 12))
def test_split_after_n_items_loses_nothing(histories: list[list[int]], n: int) -> None:
    whole = NewUsers.of(histories, 7)
    first, later = whole.split_after(n)
    assert by_user(first) == [row[:n] for row in by_user(whole)]
    assert by_user(later) == [row[n:] for row in by_user(whole)]
    assert first.n_items == later.n_items == 7


@pytest.mark.parametrize("wrong", [[3], ["toy"], [[0.5]], [[True]], [[[1]]]])
def test_what_is_no_list_of_integers_is_refused(wrong: list[object]) -> None:
    with pytest.raises(ValueError, match=r"history 0 must be .*: give a list of item indices for each user"):
        NewUsers.of(wrong, 7)
