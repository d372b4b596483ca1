"""Models by name: class, config, words; and that every model has a contract test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from models.registry import ENSEMBLES, RECOMMENDERS, config_class, counterpart, in_words, recommender_class

TESTS = Path(__file__).parent


@pytest.mark.parametrize("name", [*RECOMMENDERS, *ENSEMBLES])
def test_models_are_found_by_name(name):
    assert recommender_class(name).name == name
    assert config_class(name) is recommender_class(name).config_class


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(
        ValueError, match=r"no model 'item_knm'\. Did you mean 'item_knn'\? Models: popularity"
    ):
        recommender_class("item_knm")


@pytest.mark.parametrize("name", [*RECOMMENDERS, *ENSEMBLES])
def test_every_model_is_described_in_plain_words(name):
    words = in_words(name)
    assert words == recommender_class(name).in_words
    assert words
    assert not words.endswith(".")


def test_an_unknown_model_has_no_words():
    assert in_words("a_model_of_last_year") == ""


def test_models_with_side_data_name_the_same_without():
    found = {name: counterpart(name) for name in (*RECOMMENDERS, *ENSEMBLES)}
    assert {name: other for name, other in found.items() if other} == {
        "cke": "als",
        "kgcn": "lightgcn",
        "social_gcn": "lightgcn",
    }
    for name, other in found.items():
        assert other is None or issubclass(recommender_class(name), recommender_class(other))
    assert counterpart("a_model_of_last_year") is None


def test_reading_words_imports_no_training_library():
    """The page reads the words of all models, and must not wait for torch or implicit."""
    code = (
        "import sys; from models.registry import *; [in_words(n) for n in (*RECOMMENDERS, *ENSEMBLES)]; "
        "print({'torch', 'implicit'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TESTS.parents[1]
    )
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("name", [*RECOMMENDERS, *ENSEMBLES])
def test_every_model_has_a_contract_test(name):
    """A test file of the model has a class that inherits a contract and names the model."""
    sources = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")]
    header = r"class Test\w+\((?:\w+, )*\w*Contract\):\n(?:    .*\n|\n)*?"
    contract = rf"{header}    model\b.* = {recommender_class(name).__name__}\n"
    assert any(re.search(contract, source) for source in sources)
