"""The DAG of a night: its order, and what happens when a model fails. Stages are replaced by canned results."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.artifacts import (
    Choice,
    Decision,
    Evaluation,
    FittedModel,
    HeldOut,
    LearnedEnsemble,
    Snapshot,
    Split,
)
from tasks.config.load import load_settings
from tasks.errors import NightError
from tasks.evaluation.incumbent import WinStreaks
from tasks.run import dag
from tasks.run.in_process import InProcess
from tasks.storage.stage import Call, Stage

HERE, NOW = Path("here"), datetime(2026, 1, 1)
SNAPSHOT = Snapshot("s", HERE, 1, 1, 1, 1, 1, 1, 0)
HELD_OUT = HeldOut("h", HERE, 1, 1, 0, 0.0)
SHELF = "models.shelf=popularity,item_knn,als"
BOTH = ("models.shelf=popularity,als", "ranking.retriever=als")


class CannedNight(SimpleNamespace):
    """A night whose stages return a reference at once, or fail for the models in `failing`; all fits are cold.

    There are too few users to learn the ensembles in `too_few` from.
    """

    def __init__(
        self, *failing: str, settings: tuple[str, ...] = (SHELF,), too_few: tuple[str, ...] = ()
    ) -> None:
        record = SimpleNamespace(
            failed_models={}, still_live="Nothing is live.", champion=None, warm_plan=None,
            summary=SimpleNamespace(snapshots={}),
        )  # fmt: skip
        chosen = load_settings(None, (*settings, "warm_start.enabled=false"))
        super().__init__(
            settings=chosen, record=record, as_of=NOW, calls=[], failing={*failing},
            too_few=too_few, notes={}, warm_sources={}, runs=SimpleNamespace(all=list),
        )  # fmt: skip

    def perform(self, call: Call[Any]) -> Any:
        given = call.arguments()
        stage, model = call.stage.name, call.stage.model_of(given)
        self.calls.append(f"{stage} {model}" if model else stage)
        if model in self.failing:
            raise FloatingPointError(model)
        if call.stage is dag.learn_ensemble:
            members = () if model in self.too_few else tuple(names(given["members"]))
            return LearnedEnsemble(f"learn {model}", HERE, given["name"], members, "", 0.0, 0.0)
        if call.stage is dag.choose:
            return choice(*given["candidates"])
        made: dict[str, Any] = {
            "everything": Split("e", HERE, "everything", "", NOW, NOW),
            "utility": SNAPSHOT,
            "fit": FittedModel(f"fit {model}", HERE, model or "", 0.0, 0.0),
            "evaluate": Evaluation(f"evaluate {model}", HERE, model or "", 0.0),
        }
        return made[stage]

    def run(self, call: Call[Any]) -> Any:
        return InProcess().run(self, call)  # type: ignore[arg-type]

    def start(self, call: Call[Any]) -> Any:
        return InProcess().start(self, call)  # type: ignore[arg-type]

    def go_on_without(self, model: str, why: str = "its own error") -> None:
        self.record.failed_models[model] = why

    def note(self, **notes: Any) -> None:
        self.notes.update(notes)


def names(models: Any) -> list[str]:
    return [each.model for each in models]


def learn(night: CannedNight) -> tuple[LearnedEnsemble, ...]:
    """Judge the shelf of a night, and learn its ensembles; `calls` are those of learning alone."""
    backfill = dag.fit_backfill(night, SNAPSHOT)
    fitted, judged = dag.judge_shelf(night, SNAPSHOT, backfill, HELD_OUT)
    night.calls.clear()
    return dag.learn_ensembles(night, SNAPSHOT, (*fitted, *backfill), judged, HELD_OUT)


def judge(
    night: CannedNight, ensembles: tuple[LearnedEnsemble, ...], members: tuple[Evaluation, ...] = ()
) -> list[str]:
    backfill = (FittedModel("p", HERE, "popularity", 0, 0),)
    return names(dag.judge_ensembles(night, ensembles, members, SNAPSHOT, backfill, HELD_OUT))


def choice(*ranking: str) -> Choice:
    return Choice("c", HERE, ranking, Decision(ranking[0], None, "ndcg@10", 9, None, 1, (), {}))


def test_backfill_does_without_content_but_not_popularity():
    assert names(dag.fit_backfill(CannedNight(), SNAPSHOT)) == ["content", "popularity"]
    night = CannedNight("content")
    assert names(dag.fit_backfill(night, SNAPSHOT)) == ["popularity"]
    assert night.record.failed_models == {"content": "its own error"}
    with pytest.raises(FloatingPointError):
        dag.fit_backfill(CannedNight("popularity"), SNAPSHOT)


def test_another_backfill_model_comes_before_content():
    chosen = ("recommend.backfill=attentive_content",)
    night = CannedNight(settings=chosen)
    assert names(dag.fit_backfill(night, SNAPSHOT)) == ["attentive_content", "content", "popularity"]
    night = CannedNight("attentive_content", settings=chosen)
    assert names(dag.fit_backfill(night, SNAPSHOT)) == ["content", "popularity"]


def test_a_failed_model_of_the_shelf_is_left_out():
    night = CannedNight("als")
    backfill = dag.fit_backfill(night, SNAPSHOT)
    night.calls.clear()
    fitted, judged = dag.judge_shelf(night, SNAPSHOT, backfill, HELD_OUT)
    assert names(fitted) == names(judged) == ["popularity", "item_knn"]
    assert night.record.failed_models == {"als": "its own error"}
    assert night.calls == ["evaluate popularity", "fit item_knn", "evaluate item_knn", "fit als"]


def test_backfill_off_the_shelf_is_evaluated_all_the_same():
    for shelf, failing, judged in (
        ("models.shelf=content,popularity", (), []),
        (SHELF, (), ["content"]),
        ("models.shelf=als", (), ["content", "popularity"]),
        ("models.shelf=als", ("content",), ["popularity"]),
    ):
        night = CannedNight(*failing, settings=(shelf,))
        backfill = dag.fit_backfill(night, SNAPSHOT)
        assert names(dag.judge_backfill(night, SNAPSHOT, backfill, HELD_OUT)) == judged


def test_no_champion_when_every_model_failed():
    night = CannedNight()
    night.record.failed_models["als"] = "it diverged"
    with pytest.raises(NightError, match="No model is left: als: it diverged"):
        dag.choose_champion(night, (), (FittedModel("p", HERE, "popularity", 0, 0),), HELD_OUT)


def test_ensembles_are_learned_of_fitted_models():
    """Models of the shelf and of the backfill are not fitted again; two stages need the retriever alone."""
    night = CannedNight(settings=BOTH)
    ensembles = learn(night)
    assert [(each.model, each.members) for each in ensembles] == [
        ("two_stage", ("als",)),
        ("blend", ("popularity", "als", "content")),
    ]
    assert night.calls == ["fit two_stage", "fit blend"]
    night.calls.clear()
    assert judge(night, ensembles) == ["two_stage", "blend"]
    assert night.calls == ["evaluate two_stage", "evaluate blend"]


def test_ensembles_rank_what_their_members_listed():
    """The lists of members are kept as long as the ensembles need them, and only if all members have been judged."""
    settings = (*BOTH, "blend.candidates=150", "ranking.candidates=70", "recommend.backfill=content")
    night, given = CannedNight(settings=settings), []
    genuine = night.perform
    night.perform = lambda call: given.append(call.arguments()) or genuine(call)
    ensembles = learn(night)
    kept = {each["fitted"].model: each["candidates"] for each in given if "candidates" in each}
    assert kept == {"popularity": 150, "als": 150}
    learned = {each["name"]: names(each["judged"]) for each in given if "judged" in each}
    assert learned == {"two_stage": ["als"], "blend": []}, "content of the blend was not judged"
    given.clear()
    judged = tuple(Evaluation(name, HERE, name, 0.0) for name in ("popularity", "als"))
    judge(night, ensembles, judged)
    assert [names(each["members"]) for each in given] == [["als"], []], "content of the blend was not judged"
    given.clear()
    judge(night, ensembles, (Evaluation("c", HERE, "content", 0.0), *judged))
    assert [names(each["members"]) for each in given] == [["als"], ["popularity", "als", "content"]]
    assert [each["candidates"] for each in given] == [0, 0]


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        (("ranking.enabled=false",), ["fit blend"]),
        (("blend.enabled=false",), ["fit two_stage"]),
        (("ranking.retriever=",), ["fit blend"]),
        (("ranking.retriever=", "blend.enabled=false"), []),
        (("ranking.retriever=", 'blend.members=["bpr", "als"]'), ["fit bpr", "fit blend"]),
        (("ranking.retriever=bpr", "blend.enabled=false"), ["fit bpr", "fit two_stage"]),
    ],
)
def test_ensembles_that_are_not_wanted_are_not_learned(options, calls):
    night = CannedNight(settings=(*BOTH, *options))
    learn(night)
    assert night.calls == calls
    assert not night.record.failed_models


def test_the_settings_of_each_ensemble_are_its_own():
    night, given = CannedNight(settings=(*BOTH, "ranking.folds=7", "blend.folds=9")), []
    genuine = night.perform
    night.perform = lambda call: given.append(call.arguments()) or genuine(call)
    learn(night)
    assert [each["settings"].folds for each in given if "settings" in each] == [7, 9]


def test_a_failed_retriever_leaves_no_two_stages():
    """The retriever's failure is recorded once, and the blend does without it."""
    night = CannedNight("als", settings=BOTH)
    assert [(each.model, each.members) for each in learn(night)] == [("blend", ("popularity", "content"))]
    assert night.record.failed_models == {"als": "its own error"}
    assert night.calls == ["fit blend"]


def test_too_few_members_leave_no_blend_but_two_stages():
    night = CannedNight("content", settings=("models.shelf=als", "ranking.retriever=als"))
    assert names(learn(night)) == ["two_stage"]
    assert night.calls == ["fit two_stage"]


@pytest.mark.parametrize("name", ["two_stage", "blend"])
def test_an_ensemble_of_too_few_users_is_not_judged(name: str):
    night = CannedNight(settings=BOTH, too_few=(name,))
    ensembles = learn(night)
    assert night.calls == ["fit two_stage", "fit blend"]
    other = {"two_stage": "blend", "blend": "two_stage"}[name]
    assert names(ensembles) == judge(night, ensembles) == [other]
    assert not night.record.failed_models, "that is no failure"


@pytest.mark.parametrize("name", ["two_stage", "blend"])
def test_an_ensemble_that_fails_is_left_out(name: str):
    night = CannedNight(name, settings=BOTH)
    other = {"two_stage": "blend", "blend": "two_stage"}[name]
    assert names(learn(night)) == [other]
    assert night.record.failed_models == {name: "its own error"}
    unjudged = CannedNight(settings=BOTH)
    ensembles = learn(unjudged)
    unjudged.failing.add(name)
    assert judge(unjudged, ensembles) == [other]
    assert unjudged.record.failed_models == {name: "its own error"}


def test_champions_come_from_the_shelf_and_the_ensembles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dag, "win_streaks", lambda *_: WinStreaks())
    night = CannedNight(settings=BOTH)
    judged = tuple(
        Evaluation(name, HERE, name, 0.0) for name in ("content", "two_stage", "als", "popularity", "blend")
    )
    chosen = dag.choose_champion(night, judged, (FittedModel("p", HERE, "popularity", 0, 0),), HELD_OUT)
    assert chosen.ranking == ("two_stage", "als", "popularity", "blend")
    assert night.record.champion == "two_stage"


def test_models_are_refitted_once_and_only_when_needed():
    night = CannedNight()
    refits = dag.Refits(night)
    assert dag.refit_best(refits, choice("item_knn", "als"), ()).model == "item_knn"
    assert refits.get("item_knn") is refits.get("item_knn")
    assert night.calls == ["everything", "utility", "fit popularity", "fit content", "fit item_knn"]


def test_the_next_best_takes_the_place_of_a_failed_refit():
    refits = dag.Refits(CannedNight("als"))
    assert dag.refit_best(refits, choice("als", "item_knn"), ()).model == "item_knn"
    with pytest.raises(NightError, match="No judged model could be refitted"):
        dag.refit_best(refits, choice("als"), ())


def test_a_blend_is_refitted_after_all_its_members():
    night = CannedNight()
    blend = LearnedEnsemble("b", HERE, "blend", ("als", "item_knn"), "", 0.0, 0.0)
    assert dag.refit_best(dag.Refits(night), choice("blend", "als"), (blend,)).model == "blend"
    assert night.calls[-3:] == ["fit als", "fit item_knn", "fit blend"]


def test_a_blend_is_dropped_when_a_member_cannot_be_refitted():
    night = CannedNight("als")
    blend = LearnedEnsemble("b", HERE, "blend", ("als", "item_knn"), "", 0.0, 0.0)
    best = dag.refit_best(dag.Refits(night), choice("blend", "als", "item_knn"), (blend,))
    assert best.model == "item_knn"
    assert night.record.failed_models["blend"] == "its member als could not be refitted"
    assert night.calls.count("fit als") == 1, "a model that failed is not tried again"


@pytest.mark.parametrize(
    ("options", "failing", "model"),
    [
        (("recommend.new_item_share=0.1", "recommend.new_item_model=two_tower"), (), "two_tower"),
        (("recommend.new_item_share=0.1", "recommend.new_item_model=two_tower"), ("two_tower",), None),
        (("recommend.new_item_share=0.1", "recommend.new_item_model=content"), (), "content"),
        (("recommend.new_item_share=0.1",), (), None),
        (("recommend.new_item_model=two_tower",), (), None),
    ],
)
def test_the_model_of_new_items_is_refitted_where_it_has_places(options, failing, model):
    night, given = CannedNight(*failing, settings=options), []
    refits = dag.Refits(night)
    champion = dag.refit_best(refits, choice("als"), ())
    night.take_rules = lambda: ()
    night.run = lambda call: given.append(call.arguments())
    dag.recommend_best(refits, champion)
    assert (given[0]["new_items"].model if given[0]["new_items"] else None) == model
    assert night.calls.count("fit content") == 1
    assert ("fit two_tower" in night.calls) == ("two_tower" in (model, *failing))


def in_trial(
    *failing: str, model: str = "item_knn", ranking: tuple[str, ...] = ("als",), ensembles=()
) -> CannedNight:
    """Refit the models of a night with a trial, and make its lists; `given` are the arguments of the stage."""
    night = CannedNight(*failing, settings=(SHELF, f"publish.trial.model={model}", "publish.trial.share=0.2"))
    refits = dag.Refits(night)
    champion = dag.refit_best(refits, choice(*ranking), ensembles)
    challenger = dag.refit_challenger(refits, champion, ensembles)
    night.take_rules, night.take_arms = tuple, lambda: "arms"
    perform, night.given = night.run, []
    night.run = lambda call: (
        night.given.append(call.arguments()) if call.stage is dag.recommend else perform(call)
    )
    dag.recommend_best(refits, champion, challenger)
    return night


def test_the_challenger_is_refitted_and_makes_lists():
    night = in_trial()
    assert (night.given[0]["champion"].model, night.given[0]["challenger"].model) == ("als", "item_knn")
    assert night.given[0]["arms"] == "arms"
    assert night.calls.count("fit item_knn") == 1


def test_without_a_challenger_all_get_the_lists_of_the_champion():
    night = in_trial("item_knn")
    assert (night.given[0]["challenger"], night.given[0]["arms"]) == (None, None)
    assert night.notes["trial_failed"] == "item_knn: its own error"


def test_a_champion_can_be_its_own_challenger(caplog):
    night = in_trial(ranking=("item_knn",))
    assert night.given[0]["challenger"] is night.given[0]["champion"]
    assert "both arms get the same lists" in caplog.text


def test_an_ensemble_can_be_the_challenger():
    learned = (LearnedEnsemble("b", HERE, "blend", ("als", "item_knn"), "", 0.0, 0.0),)
    assert in_trial(model="blend", ensembles=learned).given[0]["challenger"].model == "blend"
    night = in_trial(model="blend")
    assert night.given[0]["challenger"] is None
    assert night.notes["trial_failed"] == "blend: it could not be learned tonight"


def two_ensembles() -> tuple[LearnedEnsemble, LearnedEnsemble]:
    return (
        LearnedEnsemble("t", HERE, "two_stage", ("als",), "", 0.0, 0.0),
        LearnedEnsemble("b", HERE, "blend", ("item_knn", "als"), "", 0.0, 0.0),
    )


def test_two_stages_are_refitted_after_their_retriever():
    night = CannedNight()
    best = dag.refit_best(dag.Refits(night), choice("two_stage", "blend", "als"), two_ensembles())
    assert (best.model, best.key) == ("two_stage", "fit two_stage")
    assert night.calls[-2:] == ["fit als", "fit two_stage"]


def test_no_ensemble_outlives_the_refit_of_its_members():
    night = CannedNight("als")
    best = dag.refit_best(
        dag.Refits(night), choice("two_stage", "blend", "als", "popularity"), two_ensembles()
    )
    assert best.model == "popularity"
    why = "its member als could not be refitted"
    assert night.record.failed_models == {"als": "its own error", "two_stage": why, "blend": why}
    assert night.calls.count("fit als") == 1


def test_the_next_ensemble_takes_the_place_of_a_failed_one():
    night = CannedNight("two_stage")
    best = dag.refit_best(dag.Refits(night), choice("two_stage", "blend", "als"), two_ensembles())
    assert best.model == "blend"
    assert night.record.failed_models == {"two_stage": "its own error"}
    assert night.calls[-4:] == ["fit als", "fit two_stage", "fit item_knn", "fit blend"]


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
