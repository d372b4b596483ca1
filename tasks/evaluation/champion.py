"""Choose the champion, the model that makes tonight's lists, and write all figures of the night.

A champion stays until another model has beaten it clearly, several nights in a row: a new champion moves everybody's
lists, and the best of several nearly equal models is another one every night by chance alone. So the incumbent, the
model behind the live lists, is fitted and judged every night like every other model. It gives way only to a model whose
paired bootstrap interval lies above `judge.min_effect` on `judge.wins_needed` nights in a row, each with at least
`judge.min_users` users. The intervals hold jointly for all challengers, because the best of many equal models is ahead
by chance more often than any single one. Only the select half of the held-out users decides; the report half is only
reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import joint_intervals
from tasks.artifacts import Challenge, Choice, Decision, Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.averages import further_rows, load_per_user, ranking_rows
from tasks.evaluation.metric_rows import NightMetrics, read_segments, write_metrics
from tasks.storage.run_records import Run
from tasks.storage.stage import stage

PerModel = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class WinStreaks:
    """The incumbent and the challengers' win streaks, from the nights before tonight.

    Attributes:
        incumbent: the model behind the live lists; None where there are none.
        wins: by model, on how many nights in a row, up to the last one that counts, it beat the incumbent.
    """

    incumbent: str | None = None
    wins: dict[str, int] = field(default_factory=dict)


def win_streaks(runs: Sequence[Run], tonight: Run) -> WinStreaks:
    """Return the win streaks before `tonight`, read from the records of the home's runs.

    The last night that counts is the newest published one of an earlier `as_of`. So a night whose lists were held back
    counts for nothing, and another night on the same data replaces the one before. A streak ends with the champion that
    it was won against, with a rollback of the champion that it made, and where models are judged by another protocol.

    Args:
        runs: the records of all runs.
        tonight: the record of this night; its split and `as_of` are known.
    """
    incumbent = next((run.champion for run in runs if run.run_id == tonight.expected_live), None)
    before = [(run.as_of, run.run_id, run) for run in runs if run.status == "published" and run.as_of]
    before = [entry for entry in before if tonight.as_of is not None and entry[0] < tonight.as_of]
    if not before:
        return WinStreaks(incumbent)
    last = max(before)[-1]
    decision = last.summary.decision
    if decision is None or last.protocol != tonight.protocol:
        return WinStreaks(incumbent)
    if not decision.incumbent == last.champion == incumbent:
        return WinStreaks(incumbent)
    return WinStreaks(incumbent, {each.model: each.wins for each in decision.challenges})


@stage("choose", note=lambda choice: choice.decision.why)
def choose(
    evaluations: tuple[Evaluation, ...],
    candidates: Sequence[str],
    cold: Evaluation,
    held_out: HeldOut,
    streaks: WinStreaks,
    settings: JudgeSettings,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> Choice:
    """Choose the champion on the select half, as `decide` says, and write `metrics.json` for both halves.

    Folder: `metrics.json` with `metrics` (rows of the `model_metrics` table, without run_id), `differences` (each
    model against popularity and against the champion, paired over the users of one half), `segments` (what the classes
    of users and of items are) and the `decision`.

    Args:
        evaluations: of every judged model; among equally good models the first one wins.
        candidates: the models that may become champion; the others are there to be compared with.
        cold: the evaluation of the fallback list, on cold users.
        held_out: the users that the models were judged on.
        streaks: what earlier nights say.
        settings: how the champion is chosen.
        seed: of the bootstrap.
        key: of the reference that is returned.
        folder: where to write.
    """
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    cold_half = np.load(held_out.folder / "cold_half.npz", allow_pickle=False)["half"]
    per_user = {evaluation.model: load_per_user(evaluation) for evaluation in evaluations}
    selecting = {name: per_user[name][settings.champion_metric][half == 0] for name in candidates}
    ranking, decision, why = decide(selecting, streaks, settings, seed=seed)
    decision = replace(decision, why=why)
    baselines = [name for name in dict.fromkeys(("popularity", ranking[0])) if name in per_user]
    rows, differences = ranking_rows(per_user, "all", half, baselines, settings, seed=seed)
    fallback = {cold.model: load_per_user(cold)}
    cold_rows, _ = ranking_rows(fallback, "cold", cold_half, [], settings, seed=seed)
    rows += cold_rows + further_rows(evaluations, held_out, settings, seed=seed)
    figures = NightMetrics(
        metrics=tuple(rows), differences=tuple(differences), segments=read_segments(held_out)
    )
    write_metrics(folder, figures, decision)
    return Choice(key, folder, ranking, decision)


def decide(
    values: PerModel, streaks: WinStreaks, settings: JudgeSettings, *, seed: int
) -> tuple[tuple[str, ...], Decision, str]:
    """Decide which model makes the lists.

    Without an incumbent, or if it was not judged tonight, the best model wins at once. Without users the incumbent
    stays, or else popularity is chosen.

    Args:
        values: by model, its champion metric on the users of the select half, (n_select,) each, in the same order of
            users; among equally good models the first one wins.
        streaks: what earlier nights say.
        settings: the metric's name, how great a difference must be, how often, and on how many users.
        seed: of the bootstrap.

    Returns:
        The models, champion first, the others best first; the decision; the reason for it in a sentence.
    """
    n_users = len(next(iter(values.values())))
    means = {name: float(each.mean()) for name, each in values.items()} if n_users else {}
    ranking = tuple(sorted(values, key=lambda name: -means.get(name, 0)))
    incumbent = streaks.incumbent if streaks.incumbent in values else None
    champion, least = incumbent or ranking[0], None
    challenges: tuple[Challenge, ...] = ()
    if not n_users:
        champion = incumbent or ("popularity" if "popularity" in values else champion)
    elif incumbent is not None:
        least = settings.min_effect * means[incumbent]
        challenges = _challenges(values, ranking, incumbent, least, streaks, settings, seed)
        champion = next((each.model for each in challenges if each.wins >= settings.wins_needed), incumbent)
    decision = Decision(
        champion,
        streaks.incumbent,
        settings.champion_metric,
        n_users,
        least,
        settings.wins_needed,
        challenges,
        means,
        settings.min_users,
    )
    return tuple(sorted(ranking, key=lambda name: name != champion)), decision, _reason(decision, ranking)


def _challenges(
    values: PerModel,
    ranking: Sequence[str],
    incumbent: str,
    least: float,
    streaks: WinStreaks,
    settings: JudgeSettings,
    seed: int,
) -> tuple[Challenge, ...]:
    """Compare every other model with the incumbent, paired over users, best first; too few users make no win."""
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
        Challenge(name, *each, wins=streaks.wins.get(name, 0) + 1 if enough and each.low > least else 0)
        for name, each in zip(others, found, strict=True)
    )


def _reason(decision: Decision, ranking: Sequence[str]) -> str:
    """Return the decision in one sentence, without a full stop. `ranking` has the best model first."""
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
        reason = (
            f"{champion} {'stays: it has' if champion == incumbent else 'has'} the best {where}: {best}, "
        )
        reason += f"before {ranking[1]} with {second}"
        reason += f"; the last champion, {incumbent}, was not judged tonight" * (
            incumbent not in (None, champion)
        )
        return reason + f"; only {users} judged, so chance decides as much as merit" * few
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
