"""Who makes tonight's lists: a champion stays until another model has beaten it clearly, night after night.

A new champion moves everybody's lists, and the best of several nearly equal models is another one every night by chance
alone. So the incumbent, the model behind the lists that readers see, is fitted and judged tonight like every other, and
gives way only to a model whose paired bootstrap interval lies above `judge.min_effect` on `judge.wins_needed` nights in
a row, and only by the word of `judge.min_users` users. The intervals hold together for all who challenge it, for the
best of many equals is ahead by chance more often than any one of them. Only the select half of the held-out users comes
in here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import joint_intervals
from tasks.artifacts import Challenge, Decision
from tasks.config.settings import JudgeSettings
from tasks.storage.run_records import Run

PerModel = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Standing:
    """What the nights before say.

    Attributes:
        incumbent: the model behind the live lists; None where there are none.
        wins: on how many nights in a row, up to the last one that counts, each model beat the incumbent.
    """

    incumbent: str | None = None
    wins: dict[str, int] = field(default_factory=dict)


def standing(runs: Sequence[Run], tonight: Run) -> Standing:
    """The standing before `tonight`, whose split and `as_of` are known, by the records of the home's runs.

    The night that counts as the last one is the newest published one of an earlier `as_of`. So a night that was held
    back proves nothing, nor does another look at the same data: it replaces what the first one found. A series ends
    with the champion it was won against, with a rollback of the champion it made, and where models are judged by
    another protocol.
    """
    incumbent = next((run.champion for run in runs if run.run_id == tonight.expected_live), None)
    before = [(run.as_of, run.run_id, run) for run in runs if run.status == "published" and run.as_of]
    before = [entry for entry in before if tonight.as_of is not None and entry[0] < tonight.as_of]
    if not before:
        return Standing(incumbent)
    last = max(before)[-1]
    decision = last.summary.decision
    if decision is None or last.protocol != tonight.protocol:
        return Standing(incumbent)
    if not decision.incumbent == last.champion == incumbent:
        return Standing(incumbent)
    return Standing(incumbent, {each.model: each.wins for each in decision.challenges})


def decide(
    values: PerModel, standing: Standing, settings: JudgeSettings, *, seed: int
) -> tuple[tuple[str, ...], Decision, str]:
    """The models in the order in which they may make the lists, the champion first; the decision; why it is so.

    Args:
        values: the champion metric of every judged model on the users of the select half, (n_select,) each; best
            first among equals as on the shelf.
        standing: what earlier nights say.
        settings: the metric's name, how great a difference must be, how often, and on how many users.
        seed: of the bootstrap.
    """
    n_users = len(next(iter(values.values())))
    means = {name: float(each.mean()) for name, each in values.items()} if n_users else {}
    ranking = tuple(sorted(values, key=lambda name: -means.get(name, 0)))
    incumbent = standing.incumbent if standing.incumbent in values else None
    champion, least = incumbent or ranking[0], None
    challenges: tuple[Challenge, ...] = ()
    if not n_users:
        champion = incumbent or ("popularity" if "popularity" in values else champion)
    elif incumbent is not None:
        least = settings.min_effect * means[incumbent]
        challenges = _challenges(values, ranking, incumbent, least, standing, settings, seed)
        champion = next((each.model for each in challenges if each.wins >= settings.wins_needed), incumbent)
    decision = Decision(
        champion,
        standing.incumbent,
        settings.champion_metric,
        n_users,
        least,
        settings.wins_needed,
        challenges,
        means,
        settings.min_users,
    )
    return tuple(sorted(ranking, key=lambda name: name != champion)), decision, _told(decision, ranking)


def _challenges(
    values: PerModel,
    ranking: Sequence[str],
    incumbent: str,
    least: float,
    standing: Standing,
    settings: JudgeSettings,
    seed: int,
) -> tuple[Challenge, ...]:
    """Every other model against the incumbent, paired over users, best first; too few users make no win."""
    others = [name for name in ranking if name != incumbent]
    if not others:
        return ()
    found = joint_intervals(
        np.column_stack([values[name] - values[incumbent] for name in others]),
        samples=settings.bootstrap_samples,
        confidence=settings.confidence,
        seed=seed,
    )
    enough = len(values[incumbent]) >= settings.min_users
    return tuple(
        Challenge(name, *each, wins=standing.wins.get(name, 0) + 1 if enough and each.low > least else 0)
        for name, each in zip(others, found, strict=True)
    )


def _told(decision: Decision, ranking: Sequence[str]) -> str:
    """The decision in one sentence. `ranking` has the best model first."""
    champion, incumbent, needed = decision.champion, decision.incumbent, decision.wins_needed
    if not decision.n_users:
        return f"{champion}, because no user could be held out to judge the models on"
    if len(ranking) == 1:
        return f"{champion}, the only model"
    users = f"{decision.n_users:,} user{'' if decision.n_users == 1 else 's'}"
    where = f"{decision.metric} on the {users} of the select half"
    few = decision.n_users < decision.min_users
    if champion == ranking[0] and (champion == incumbent or not decision.challenges):
        best, second = (f"{decision.means[name]:.4f}" for name in ranking[:2])
        told = f"{champion} {'stays: it has' if champion == incumbent else 'has'} the best {where}: {best}, "
        told += f"before {ranking[1]} with {second}"
        told += f"; the last champion, {incumbent}, was not judged tonight" * (
            incumbent not in (None, champion)
        )
        return told + f"; only {users} judged, so chance decides as much as merit" * few
    rival = next(each for each in decision.challenges if champion in (incumbent, each.model))
    gain = f"by {rival.mean:+.4f} [{rival.low:+.4f}, {rival.high:+.4f}] in {where}"
    series = f"{gain}, on {rival.wins} of {needed} nights in a row"
    if champion != incumbent:
        return f"{champion} replaces {incumbent}: better {series}"
    if rival.wins:
        return f"{incumbent} stays: {rival.model} is better {series}"
    short = f"only {users} judged, and fewer than {decision.min_users} replace no champion"
    unsure = f"which is not above {decision.least:.4f} for certain"
    return f"{incumbent} stays: {rival.model} leads {gain}, {f'but {short}' if few else unsure}"
