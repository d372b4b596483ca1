"""Search spaces: every value in them is valid, and every default lies inside."""

import pytest
from pydantic import ValidationError

from models.registry import RECOMMENDERS, config_class
from models.search_space import OneOf, Range

DECLARED = [
    pytest.param(config_class(model), field, where, id=f"{model}.{field}")
    for model in RECOMMENDERS
    for field, where in config_class(model).search_space.items()
]


def ends(where: Range | OneOf) -> tuple[object, ...]:
    return where.values if isinstance(where, OneOf) else (where.low, where.high)


@pytest.mark.parametrize(("config", "field", "where"), DECLARED)
def test_fields_accept_the_ends_of_their_search_space(config, field, where):
    for value in ends(where):
        assert getattr(config.model_validate({field: value}), field) == value


@pytest.mark.parametrize(("config", "field", "where"), DECLARED)
def test_defaults_lie_inside_the_search_space(config, field, where):
    default = getattr(config(), field)
    assert default is None or default in where


@pytest.mark.parametrize(("config", "field", "where"), DECLARED)
def test_integer_fields_have_integer_search_spaces(config, field, where):
    if isinstance(where, Range) and not where.whole:
        middle = (where.low + where.high) / 2 + 0.001
        assert getattr(config.model_validate({field: middle}), field) == middle
    if isinstance(where, Range):
        assert where.low < where.high
        assert where.low > 0 or not where.log


def test_every_model_but_popularity_can_be_tuned():
    assert {m for m in RECOMMENDERS if not config_class(m).search_space} == {"popularity"}


def test_range_and_one_of_contain_their_values():
    assert 1 in Range(1, 5)
    assert 5.5 not in Range(1, 5)
    assert "a" not in Range(1, 5)
    assert "b" in OneOf(("a", "b"))
    assert not Range(1.0, 5).whole
    with pytest.raises(ValidationError):
        config_class("als").model_validate({"factors": 1.5})
