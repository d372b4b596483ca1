"""Choose the champion, the model that makes tonight's lists, and write all figures of the night.

A champion stays until another model has beaten it clearly, several nights in a row: a new champion moves everybody's
lists, and the best of several nearly equal models is another one every night by chance alone. So the incumbent, the
model behind the live lists, is fitted and judged every night like every other model. It gives way only to a model whose
paired bootstrap interval lies above `judge.min_effect` on `judge.wins_needed` nights in a row, each with at least
`judge.min_users` users. The intervals hold jointly for all challengers, because the best of many equal models is ahead
by chance more often than any single one. Only the select half of the held-out users decides; the report half is only
reported. `incumbent.py` says which champion is an incumbent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import joint_intervals
from models.evaluation.resampling import shared_samples
from tasks.artifacts import Challenge, Choice, Decision, Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.averages import cold_start_rows, further_rows, load_per_user, ranking_rows
from tasks.evaluation.incumbent import WinStreaks
from tasks.evaluation.link_prediction import similar_item_rows
from tasks.evaluation.metric_rows import NightMetrics, read_segments, write_metrics
from tasks.evaluation.side_data import counterpart_rows, new_user_rows
from tasks.storage.stage import stage

PerModel = Mapping[str, NDArray[np.float64]]


@stage("choose", note=lambda choice: choice.decision.why)
def choose(
    evaluations: tuple[Evaluation, ...],
    candidates: Sequence[str],
    cold: Evaluation,
    held_out: HeldOut,
    streaks: WinStreaks,
    settings: JudgeSettings,
    *,
    similar_model: str,
    counterparts: Mapping[str, str],
    seed: int,
    key: str,
    folder: Path,
) -> Choice:
    """Choose the champion on the select half, as `decide` says, and write `metrics.json` for both halves.

    Folder: `metrics.json` with `metrics` (rows of the `model_metrics` table, without run_id), `differences` (each
    model against popularity and against the champion, paired over the users of one half), `segments` (what the classes
    of users and of items are), `similar_differences` (each model against `similar_model` by its similar items),
    `side_data_differences` (each model with side data against the same one without, and for new users against
    popularity) and the `decision`.

    Args:
        evaluations: of every judged model; among equally good models the first one wins.
        candidates: the models that may become champion; the others are there to be compared with.
        cold: the evaluation of the fallback list, on cold users.
        held_out: the users that the models were judged on.
        streaks: what earlier nights say.
        settings: how the champion is chosen.
        similar_model: the model that makes the published similar items.
        counterparts: model with side data → the same model without.
        seed: of the bootstrap.
        key: of the reference that is returned.
        folder: where to write.
    """
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    cold_half = np.load(held_out.folder / "cold_users.npz", allow_pickle=False)["half"]
    per_user = {evaluation.model: load_per_user(evaluation) for evaluation in evaluations}
    selecting = {name: per_user[name][settings.champion_metric][half == 0] for name in candidates}
    learned = {evaluation.model for evaluation in evaluations if evaluation.learned}
    with shared_samples():
        ranking, decision, why = decide(selecting, streaks, settings, seed=seed, learned=learned)
        decision = replace(decision, why=why)
        baselines = [name for name in dict.fromkeys(("popularity", ranking[0])) if name in per_user]
        rows, differences = ranking_rows(per_user, "all", half, baselines, settings, seed=seed)
        fallback = {cold.model: load_per_user(cold)}
        cold_rows, _ = ranking_rows(fallback, "cold", cold_half, [], settings, seed=seed)
        rows += cold_rows + further_rows(evaluations, held_out, settings, seed=seed)
        rows += cold_start_rows(evaluations, held_out, settings, seed=seed)
        similar_rows, similar_differences = similar_item_rows(
            evaluations, held_out, settings, baseline=similar_model, seed=seed
        )
        rows_by_side_data, gains_by_side_data = new_user_rows(evaluations, held_out, settings, seed=seed)
        gains = counterpart_rows(evaluations, held_out, counterparts, settings, seed=seed)
    figures = NightMetrics(
        metrics=(*rows, *rows_by_side_data, *similar_rows),
        differences=tuple(differences),
        segments=read_segments(held_out),
        similar_differences=tuple(similar_differences),
        side_data_differences=(*gains, *gains_by_side_data),
    )
    write_metrics(folder, figures, decision)
    return Choice(key, folder, ranking, decision)


def decide(
    values: PerModel,
    streaks: WinStreaks,
    settings: JudgeSettings,
    *,
    seed: int,
    learned: Collection[str] | None = None,
) -> tuple[tuple[str, ...], Decision, str]:
    """Decide which model makes the lists.

    Without an incumbent, or if it was not judged tonight, the best model wins at once. Without users the last champion
    stays, or else popularity is chosen. A model with nothing to learn from is chosen only if all had nothing: its
    figures are those of the backfill models.

    Args:
        values: by model, its champion metric on the users of the select half, (n_select,) each, in the same order of
            users; among equally good models the first one wins.
        streaks: what earlier nights say.
        settings: the metric's name, how great a difference must be, how often, and on how many users.
        seed: of the bootstrap.
        learned: the models that had something to learn from; None if all had.

    Returns:
        The models, champion first, the others best first, those that learned nothing last; the decision; the reason for
        it in a sentence.
    """
    n_users = len(next(iter(values.values())))
    streaks = streaks.on(n_users, enough=settings.min_users)
    means = {name: float(each.mean()) for name, each in values.items()} if n_users else {}
    able = [name for name in values if learned is None or name in learned] or [*values]
    able.sort(key=lambda name: -means.get(name, 0))
    unable = sorted((name for name in values if name not in able), key=lambda name: -means.get(name, 0))
    ranking = (*able, *unable)
    incumbent = streaks.incumbent if streaks.incumbent in able else None
    champion, least = incumbent or ranking[0], None
    challenges: tuple[Challenge, ...] = ()
    if not n_users:
        kept = (incumbent, streaks.dismissed, "popularity")
        champion = next((name for name in kept if name in able), champion)
    elif incumbent is not None:
        least = settings.min_effect * means[incumbent]
        challenges = _challenges(values, able, incumbent, least, streaks, settings, seed)
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
    reason = _reason(decision, able, _why_dismissed(decision, streaks, unable))
    return tuple(sorted(ranking, key=lambda name: name != champion)), decision, reason


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


def _reason(decision: Decision, able: Sequence[str], dismissed: str) -> str:
    """Return the decision in one sentence, without a full stop.

    Args:
        decision: what was decided.
        able: the models that could be chosen, best first.
        dismissed: what to add if the last champion had no place to defend.
    """
    champion, incumbent, needed = decision.champion, decision.incumbent, decision.wins_needed
    if not decision.n_users:
        return f"{champion}, because no user could be held out to judge the models on{dismissed}"
    if len(able) == 1:
        learned = " that had anything to learn from" if len(decision.means) > 1 else ""
        return f"{champion}, the only model{learned}{dismissed}"
    users = f"{decision.n_users:,} user{'' if decision.n_users == 1 else 's'}"
    where = f"{decision.metric} on the {users} of the select half"
    few = decision.n_users < decision.min_users
    if champion == able[0] and (champion == incumbent or not decision.challenges):
        best, second = (f"{decision.means[name]:.4f}" for name in able[:2])
        reason = (
            f"{champion} {'stays: it has' if champion == incumbent else 'has'} the best {where}: {best}, "
        )
        reason += f"before {able[1]} with {second}{dismissed}"
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


def _why_dismissed(decision: Decision, streaks: WinStreaks, unable: Sequence[str]) -> str:
    """Return why the last champion had no place to defend, to add to the reason; empty if it had one."""
    last = streaks.incumbent or streaks.dismissed
    if last is None or decision.challenges or last == decision.champion == decision.incumbent:
        return ""
    if last in unable:
        return f"; the last champion, {last}, had nothing to learn from tonight"
    if not decision.n_users:
        return ""
    if streaks.dismissed:
        return f"; the last champion, {last}, had no place to defend: it {streaks.why}"
    return f"; the last champion, {last}, was not judged tonight"
