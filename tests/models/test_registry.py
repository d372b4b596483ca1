import pytest

from models.registry import RECOMMENDERS, config_class, recommender_class


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_models_are_found_by_name(name):
    assert recommender_class(name).name == name
    assert config_class(name) is recommender_class(name).config_class


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"no model 'item_knm'\. Did you mean 'item_knn'\? Models: popularity"
    ):
        recommender_class("item_knm")
