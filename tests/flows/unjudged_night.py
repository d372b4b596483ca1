"""A night that evaluates no model and publishes a given champion."""

from __future__ import annotations

from collections.abc import Callable

from tasks.run import dag
from tasks.run.context import Night


def publishes(champion: str) -> Callable[[Night], None]:
    """Return a flow that publishes the lists of `champion`."""

    def flow(night: Night) -> None:
        data = dag.take_in(night)
        refits = dag.Refits(night)
        fitted = refits.get(champion)
        assert fitted is not None, night.record.failed_models
        dag.publish(night, data, dag.recommend_best(refits, fitted), choice=None)

    return flow
