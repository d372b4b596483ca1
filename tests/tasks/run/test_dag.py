"""The DAG of a night: its order, and what happens when a model fails. Stages are replaced by canned results."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.artifacts import Choice, Decision, Evaluation, FittedModel, HeldOut, LearnedBlend, Snapshot, Split
from tasks.config.load import load_settings
from tasks.errors import NightError
from tasks.run import dag
from tasks.storage.stage import Call, Stage

HERE, NOW = Path("here"), datetime(2026, 1, 1)
SNAPSHOT = Snapshot("s", HERE, 1, 1, 1, 1, 1, 1, 0)
HELD_OUT = HeldOut("h", HERE, 1, 1, 0, 0.0)
SHELF = "models.shelf=popularity,item_knn,als"


class CannedNight(SimpleNamespace):
    """A night whose stages return a reference at once, or fail for the models in `failing`."""

    def __init__(self, *failing: str, settings: tuple[str, ...] = (SHELF,)) -> None:
        record = SimpleNamespace(failed_models={}, still_live="Nothing is live.", champion=None)
        super().__init__(
            settings=load_settings(None, settings), record=record, as_of=NOW, calls=[], failing={*failing}
        )

    def perform(self, call: Call[Any]) -> Any:
        given = call.arguments()
        stage, model = call.stage.name, call.stage.model_of(given)
        self.calls.append(f"{stage} {model}" if model else stage)
        if model in self.failing:
            raise FloatingPointError(model)
        made: dict[str, Any] = {
            "everything": Split("e", HERE, "everything", "", NOW, NOW),
            "utility": SNAPSHOT,
            "fit": FittedModel(f"fit {model}", HERE, model or "", 0.0, 0.0),
            "evaluate": Evaluation(f"evaluate {model}", HERE, model or "", 0.0),
        }
        return made[stage]

    def run(self, call: Call[Any]) -> Any:
        return dag.InProcess().run(self, call)  # type: ignore[arg-type]

    def start(self, call: Call[Any]) -> Any:
        return dag.InProcess().start(self, call)  # type: ignore[arg-type]

    def go_on_without(self, model: str, why: str = "its own error") -> None:
        self.record.failed_models[model] = why


def names(models: Any) -> list[str]:
    return [each.model for each in models]


def choice(*ranking: str) -> Choice:
    return Choice("c", HERE, ranking, Decision(ranking[0], None, "ndcg@10", 9, None, 1, (), {}))


def test_backfill_does_without_content_but_not_popularity():
    assert names(dag.fit_backfill(CannedNight(), SNAPSHOT)) == ["content", "popularity"]
    night = CannedNight("content")
    assert names(dag.fit_backfill(night, SNAPSHOT)) == ["popularity"]
    assert night.record.failed_models == {"content": "its own error"}
    with pytest.raises(FloatingPointError):
        dag.fit_backfill(CannedNight("popularity"), SNAPSHOT)


def test_a_failed_model_of_the_shelf_is_left_out():
    night = CannedNight("als")
    backfill = dag.fit_backfill(night, SNAPSHOT)
    night.calls.clear()
    fitted, judged = dag.judge_shelf(night, SNAPSHOT, backfill, HELD_OUT)
    assert names(fitted) == names(judged) == ["popularity", "item_knn"]
    assert night.record.failed_models == {"als": "its own error"}
    assert night.calls == ["evaluate popularity", "fit item_knn", "evaluate item_knn", "fit als"]


def test_popularity_off_the_shelf_is_evaluated_all_the_same():
    for shelf, judged in ((SHELF, []), ("models.shelf=als", ["popularity"])):
        night = CannedNight(settings=(shelf,))
        backfill = dag.fit_backfill(night, SNAPSHOT)
        assert names(dag.judge_popularity(night, SNAPSHOT, backfill, HELD_OUT)) == judged


def test_no_champion_when_every_model_failed():
    night = CannedNight()
    night.record.failed_models["als"] = "it diverged"
    with pytest.raises(NightError, match="No model is left: als: it diverged"):
        dag.choose_champion(night, (), (FittedModel("p", HERE, "popularity", 0, 0),), HELD_OUT)


def test_models_are_refitted_once_and_only_when_needed():
    night = CannedNight()
    refits = dag.Refits(night)
    assert dag.refit_best(refits, choice("item_knn", "als"), None).model == "item_knn"
    assert refits.get("item_knn") is refits.get("item_knn")
    assert night.calls == ["everything", "utility", "fit popularity", "fit content", "fit item_knn"]


def test_the_next_best_takes_the_place_of_a_failed_refit():
    refits = dag.Refits(CannedNight("als"))
    assert dag.refit_best(refits, choice("als", "item_knn"), None).model == "item_knn"
    with pytest.raises(NightError, match="No judged model could be refitted"):
        dag.refit_best(refits, choice("als"), None)


def test_a_blend_is_refitted_after_all_its_members():
    night = CannedNight()
    blend = LearnedBlend("b", HERE, ("als", "item_knn"), "", 0.0, 0.0)
    assert dag.refit_best(dag.Refits(night), choice("blend", "als"), blend).model == "blend"
    assert night.calls[-3:] == ["fit als", "fit item_knn", "fit blend"]


def test_a_blend_is_dropped_when_a_member_cannot_be_refitted():
    night = CannedNight("als")
    blend = LearnedBlend("b", HERE, ("als", "item_knn"), "", 0.0, 0.0)
    best = dag.refit_best(dag.Refits(night), choice("blend", "als", "item_knn"), blend)
    assert best.model == "item_knn"
    assert night.record.failed_models["blend"] == "its member als could not be refitted"
    assert night.calls.count("fit als") == 1, "a model that failed is not tried again"


def test_a_promise_of_a_failed_stage_raises_its_error():
    promise = CannedNight("als").start(dag.fit_call(CannedNight(), SNAPSHOT, "als"))  # type: ignore[arg-type]
    assert not promise.succeeded()
    with pytest.raises(FloatingPointError, match="als"):
        promise.result()


def test_only_stages_that_meet_other_programs_are_retried():
    stages = [value for value in vars(dag).values() if isinstance(value, Stage)]
    retried = {each.name for each in stages if each.retried}
    assert retried == {"land", "publish", "report"}
    assert {each.name for each in stages if not each.stored} == {
        "land",
        "clean",
        "check",
        "publish",
        "report",
    }
