"""What the docs list is what there is."""

from pathlib import Path

import pytest

from models.registry import RECOMMENDERS, config_class, recommender_class

MODELS = (Path(__file__).resolve().parents[1] / "docs" / "models.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_every_model_has_a_row_with_its_matrix_and_all_its_settings(name):
    table = MODELS[: MODELS.index("\n\n", MODELS.index("| name |"))].splitlines()
    rows = {line.split("`")[1]: line.split("|") for line in table if line.startswith("| `")}
    _, _, _, trained_on, settings, _ = rows[name]
    if "the same, and" in settings:
        settings += rows["item_knn"][4]
    fields = set(config_class(name).model_fields) - {"matrix"}
    assert {field for field in fields if f"`{field}`" not in settings} == set()
    assert recommender_class(name).matrix in trained_on
