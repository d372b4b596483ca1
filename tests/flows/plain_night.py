"""A whole night without Prefect: the stages one after the other."""

from __future__ import annotations

from collections.abc import Callable

from tasks.artifacts import HeldOut
from tasks.run import stages
from tasks.run.context import Night
from tasks.training.fit import FILLERS


def whole_night(night: Night, meddle: Callable[[HeldOut], None] = lambda _: None) -> None:
    """All stages of a night; `meddle` may spoil what is held out before anybody is judged by it."""
    shelf = night.settings.models.shelf
    data = stages.clean(night, stages.land(night))
    cut = stages.split(night, data)
    before = stages.utility(night, cut)
    held_out = stages.hold_out(night, cut, before)
    meddle(held_out)
    fitted = {name: stages.fit(night, before, name) for name in {*shelf, *FILLERS}}
    fillers = tuple(fitted[name] for name in FILLERS)
    judged = tuple(
        stages.evaluate(night, fitted[name], fillers, before, held_out)
        for name in dict.fromkeys((*shelf, "popularity"))
    )
    strangers = stages.evaluate_strangers(night, fitted["popularity"], held_out)
    choice = stages.choose(night, judged, strangers, held_out)
    snapshot = stages.utility(night, stages.everything(night, data))
    again = {name: stages.fit(night, snapshot, name) for name in {*FILLERS, "item_knn", choice.champion}}
    fillers = tuple(again[name] for name in FILLERS)
    lists = stages.recommend(night, snapshot, again[choice.champion], fillers, (again["item_knn"], *fillers))
    stages.publish(night, data, lists, stages.check(night, data, lists, choice))
    stages.report(night, choice)
