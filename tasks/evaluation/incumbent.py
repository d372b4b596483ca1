"""The incumbent and the win streaks of its challengers, read from the records of the nights before.

The incumbent is the model behind the live lists, if it was chosen by figures like tonight's. A model that was chosen
because nobody could be held out, or by another metric, another definition of positive or other halves of the users, has
won nothing that counts tonight, and is no incumbent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.storage.run_records import Run

_POSITIVE = ("relevant_rating", "positive_tags", "positive_events")
"""The settings of `utility` that say which interactions are positive."""


@dataclass(frozen=True)
class WinStreaks:
    """The incumbent and the challengers' win streaks, from the nights before tonight.

    Attributes:
        incumbent: the model that must be beaten; None if there is none.
        wins: by model, on how many nights in a row, up to the last one that counts, it beat the incumbent.
        dismissed: the model behind the live lists if it is no incumbent; else None.
        why: why it is none, as the end of a sentence that begins with its name.
        chosen_by: the number of users by whom the incumbent was chosen; 0 if it is not known.
    """

    incumbent: str | None = None
    wins: dict[str, int] = field(default_factory=dict)
    dismissed: str | None = None
    why: str = ""
    chosen_by: int = 0

    def on(self, n_users: int, enough: int) -> WinStreaks:
        """Return the streaks for a night that judges on `n_users`.

        An incumbent that was chosen by fewer than `enough` users, where chance decides as much as merit, has no place
        to defend once twice as many are judged. Else so small a data set would keep its first champion for ever.
        """
        if self.incumbent is None or not 0 < self.chosen_by < enough or n_users < 2 * self.chosen_by:
            return self
        users = f"{self.chosen_by} user{'' if self.chosen_by == 1 else 's'}"
        return WinStreaks(dismissed=self.incumbent, why=f"was chosen by the figures of {users} only")


def win_streaks(runs: Sequence[Run], tonight: Run) -> WinStreaks:
    """Return the incumbent and the win streaks before `tonight`.

    The last night that counts is the newest published one of an earlier `as_of`. So a night whose lists were held back
    counts for nothing, and another night on the same data replaces the one before. A streak ends with the champion that
    it was won against, with a rollback of the champion that it made, and where models are judged by another protocol.

    Args:
        runs: the records of all runs.
        tonight: the record of this night; its split and `as_of` are known.
    """
    live = next((run for run in runs if run.run_id == tonight.expected_live), None)
    if live is None or live.champion is None:
        return WinStreaks()
    chosen = _choosing_night(live, runs)
    why = _reason_to_dismiss(chosen, tonight)
    if why:
        return WinStreaks(dismissed=live.champion, why=why)
    decision = chosen.summary.decision
    chosen_by = 0 if decision is None else decision.n_users
    return WinStreaks(live.champion, _wins(live.champion, runs, tonight), chosen_by=chosen_by)


def _wins(incumbent: str, runs: Sequence[Run], tonight: Run) -> dict[str, int]:
    """Return the win streaks against the incumbent; none if those of the last night that counts do not go on."""
    before = [(run.as_of, run.run_id, run) for run in runs if run.status == "published" and run.as_of]
    before = [entry for entry in before if tonight.as_of is not None and entry[0] < tonight.as_of]
    if not before:
        return {}
    last = max(before)[-1]
    decision = last.summary.decision
    if decision is None or last.protocol != tonight.protocol:
        return {}
    if not decision.incumbent == last.champion == incumbent:
        return {}
    return {each.model: each.wins for each in decision.challenges}


def _choosing_night(live: Run, runs: Sequence[Run]) -> Run:
    """Return the night that chose the live champion: the last one that it did not begin as incumbent."""
    records = {run.run_id: run for run in runs}
    night = live
    while night.summary.decision is not None and night.summary.decision.incumbent == live.champion:
        earlier = records.get(night.expected_live or 0)
        if earlier is None or earlier.run_id >= night.run_id:
            break
        night = earlier
    return night


def _reason_to_dismiss(chosen: Run, tonight: Run) -> str:
    """Return why the champion of the night `chosen` is no incumbent tonight; empty if it is one."""
    decision = chosen.summary.decision
    if decision is None:
        return ""
    if not decision.n_users:
        return "was chosen when no user could be held out"
    then, now = _ways_to_judge(chosen), _ways_to_judge(tonight)
    changed = [name for name in then if name in now and then[name] != now[name]]
    if not changed:
        return ""
    changes = ", ".join(f"{name} was {_shown(then[name])} and is {_shown(now[name])}" for name in changed)
    return f"was chosen when {changes}"


def _ways_to_judge(run: Run) -> dict[str, Any]:
    """Return the settings, by name, without which a night's figures say nothing about another night's."""
    utility, judge = run.settings.get("utility", {}), run.settings.get("judge", {})
    found = {f"utility.{name}": utility[name] for name in _POSITIVE if name in utility}
    if "champion_metric" in judge:
        found["judge.champion_metric"] = judge["champion_metric"]
    return found | {"run.seed": run.seed}


def _shown(value: Any) -> str:
    """Return a setting's value as TOML writes it, nearly."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_shown(one)}" for key, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
