"""The periods of the data that belong to each run: since its lists were made, and while they were the newest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.artifacts import Lists
from tasks.storage.run_records import Run


@dataclass(frozen=True)
class PublishedLists:
    """The lists of a run, and the periods by which they are judged.

    Attributes:
        run_id: the run.
        lists: its lists.
        since: its `as_of`: what came from then on is new to the lists.
        live_until: the `as_of` of the run that replaced it; None if none has, or if it was rolled back.
        is_live: whether the period from `since` to `live_until`, or to tonight, is that of this run.
        champion: the model behind the lists, of the users outside a trial.
    """

    run_id: int
    lists: Lists
    since: datetime
    live_until: datetime | None
    is_live: bool
    champion: str

    def live_window_end(self, until: datetime) -> datetime | None:
        """Return the end of the run's own period, at most `until`; None if it has none."""
        if not self.is_live:
            return None
        return until if self.live_until is None else min(self.live_until, until)


def replaced_at(run: Run, runs: Sequence[Run]) -> datetime | None:
    """Return the `as_of` of the first later run that went live on newer data; None if there is none.

    These are times of the data, like all in a night, so that data of the past are judged in the same way. What happened
    between a run's `as_of` and the moment at which readers saw it, usually the hours of one night, counts for it.

    Args:
        run: a run that went live.
        runs: all runs of the home, in any order.
    """
    if run.as_of is None:
        return None
    later = (
        (each.run_id, each.as_of)
        for each in runs
        if each.switched and each.run_id > run.run_id and each.as_of is not None and each.as_of > run.as_of
    )
    first = min(later, default=None)
    return None if first is None else first[1]


def lists_to_judge(
    runs: Sequence[Run],
    lists: dict[int, Lists],
    held_back: Collection[int],
    until: datetime,
) -> tuple[PublishedLists, ...]:
    """Return the kept runs whose lists can be judged, oldest first.

    A run that was rolled back by hand has no period of its own, and the run that came back gets no further one: when
    readers saw which is not known in times of the data.

    Args:
        runs: all runs of the home, in any order.
        lists: by run, those of the kept runs that went live.
        held_back: the runs that were rolled back by hand.
        until: the end of tonight's data; runs whose `as_of` is not before it have no outcome yet.
    """
    return tuple(
        PublishedLists(
            run_id=run.run_id,
            lists=lists[run.run_id],
            since=run.as_of,
            live_until=replaced_at(run, runs),
            is_live=run.run_id not in held_back,
            champion=run.champion or "",
        )
        for run in sorted(runs, key=lambda run: run.run_id)
        if run.run_id in lists and run.as_of is not None and run.as_of < until
    )
