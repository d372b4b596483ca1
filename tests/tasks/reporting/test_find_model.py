"""Models of a run by use, and what is said of those that are absent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.reporting.find_model import (
    EMBEDDINGS,
    EXPORT,
    SIMILAR_ITEMS,
    SIMILAR_USERS,
    Use,
    best_model,
    check_has_use,
    find_model,
)
from tasks.storage.home import Home
from tasks.storage.run_records import Runs
from tests.tasks.export.stored import JUDGED, home_with_run


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, int]:
    return home_with_run(tmp_path_factory.mktemp("stored"))


@pytest.mark.parametrize(
    ("model", "use", "message", "hint"),
    [
        ("alss", EXPORT, "There is no model 'alss'", "popularity"),
        ("ease", EXPORT, "ease cannot be exported: it scores items by tables", "Models that can be exported: als, cke"),
        ("blend", EXPORT, "blend cannot be exported: it is made of other models", "autorec, neumf"),
        ("ease", EMBEDDINGS, "ease has no vectors: it scores items by tables", "Models that have vectors: als"),
        ("recent", SIMILAR_ITEMS, "recent finds no similar items: it knows only how many", "item_knn, user_knn"),
        ("popularity", SIMILAR_USERS, "popularity finds no similar users", "item_knn, user_knn, als"),
        ("blend", SIMILAR_USERS, "blend finds no similar users: it is made of other models", "user_knn"),
    ],
)  # fmt: skip
def test_models_without_the_use_are_refused(model: str, use: Use, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        check_has_use(model, use)
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("model", "use"), [("blend", SIMILAR_ITEMS), ("neumf", EMBEDDINGS), ("user_knn", SIMILAR_USERS)]
)
def test_models_with_the_use_pass(model: str, use: Use) -> None:
    check_has_use(model, use)


def test_models_and_runs_that_are_absent_are_named(stored) -> None:
    home, run_id = stored
    with pytest.raises(UsageError, match=f"Run {run_id} has no fitted bpr; .* als, neumf, two_tower, sasrec"):
        find_model(home, run_id, "bpr", EXPORT)
    with pytest.raises(UsageError, match="There is no run 20200101000000 in"):
        find_model(home, 20200101000000, "als", EXPORT)


def test_models_that_are_not_kept_are_not_found(tmp_path: Path) -> None:
    home, run_id = home_with_run(tmp_path)
    shutil.rmtree(home.artifacts)
    assert Runs(home.runs).find(run_id) is not None
    with pytest.raises(UsageError, match=f"The models of run {run_id} are not kept"):
        find_model(home, run_id, "als", EXPORT)
    with pytest.raises(UsageError, match=f"The models of run {run_id} are not kept"):
        best_model(home, run_id, SIMILAR_USERS)


def test_the_best_model_is_one_fitted_on_everything(stored) -> None:
    home, run_id = stored
    assert best_model(home, run_id, SIMILAR_ITEMS, first="neumf").fitted.model == "neumf"
    found = best_model(home, run_id, SIMILAR_USERS, first=JUDGED)
    assert (found.fitted.model, found.fitted_on, found.note) == ("als", "everything", "")


def test_without_any_model_of_the_use_those_judged_are_named(stored) -> None:
    home, run_id = stored
    from models.sequence.sequence_model import SequenceRecommender  # noqa: PLC0415  (only here)

    of_sequences = Use(SequenceRecommender, "read sequences", "reads no sequences", why="does not")
    with pytest.raises(UsageError, match="without any of the models that read sequences") as raised:
        best_model(home, run_id, of_sequences)
    assert raised.value.hint == "Name one that was only judged: --model sasrec"
