"""Lists of single users by the models of a run: `tests.tasks.export.stored` has a home of tiny ones."""

import numpy as np
import pytest

from models.interactions import load_matrix
from tasks.config.settings import RecommendSettings
from tasks.reporting.model_lists import ModelLists
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts
from tasks.storage.run_records import Runs
from tests.tasks.export.stored import home_with_run

SETTINGS = RecommendSettings()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> RunArtifacts:
    home, run_id = home_with_run(tmp_path_factory.mktemp("models"))
    run = Runs(home.runs).find(run_id)
    assert run is not None
    return find_artifacts(home.artifact_store, run)


def test_lists_leave_out_what_the_user_has_seen(kept: RunArtifacts) -> None:
    assert kept.everything is not None
    seen = load_matrix(kept.everything.folder, "seen")
    mine = {f"i{item}" for item in seen.indices[seen.indptr[2] : seen.indptr[3]]}
    for model in ("als", "sasrec"):
        found = ModelLists(kept, SETTINGS).of(model, "u2", 10)
        assert found.newest == (model == "als")
        assert [row.rank for row in found.rows] == list(range(1, len(found.rows) + 1))
        assert found.rows
        assert not mine & {str(row.item_id) for row in found.rows}


def test_blocked_items_are_on_no_list(kept: RunArtifacts) -> None:
    best = ModelLists(kept, SETTINGS).of("als", "u2", 1).rows[0].item_id
    rest = ModelLists(kept, SETTINGS, frozenset({best})).of("als", "u2", 10).rows
    assert best not in {row.item_id for row in rest}


def test_an_unknown_user_has_no_list(kept: RunArtifacts) -> None:
    assert ModelLists(kept, SETTINGS).of("als", "nobody", 5).rows == ()


def test_lists_are_those_that_the_model_makes(kept: RunArtifacts) -> None:
    from tasks.training.load_model import load_model  # noqa: PLC0415

    assert kept.everything is not None
    seen = load_matrix(kept.everything.folder, "seen")
    own = load_model(kept.refits["als"]).recommend(np.array([2]), 5, exclude=seen).items[0]
    assert [row.item_id for row in ModelLists(kept, SETTINGS).of("als", "u2", 5).rows] == [
        f"i{n}" for n in own
    ]
