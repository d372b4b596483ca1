"""Items made ahead are the same, in their order, and no more than one is made before it is wanted."""

import pytest

from tasks.publication.targets.ahead import ahead


def test_the_items_are_the_same() -> None:
    assert list(ahead(iter(range(1000)))) == list(range(1000))
    assert list(ahead([])) == []
    assert list(ahead([None, None])) == [None, None]


def test_only_one_is_made_ahead() -> None:
    made: list[int] = []

    def making():
        for n in range(5):
            made.append(n)
            yield n

    for taken, n in enumerate(ahead(making()), 1):
        assert n == taken - 1
        assert len(made) <= taken + 1


def test_what_goes_wrong_in_the_making_is_raised_in_its_place() -> None:
    def making():
        yield 1
        raise ZeroDivisionError

    items = ahead(making())
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)
