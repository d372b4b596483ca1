"""Figures of a night's input and of its champion, for the checks that compare the night with earlier ones.

Figures of models come from the select half alone, because to publish or not is a choice too. They are upper ends of
intervals: a difference that may be chance is no reason to hold lists back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from statistics import median
from typing import NamedTuple

from models.evaluation.metrics import name_and_k
from tasks.artifacts import Choice, CleanData
from tasks.evaluation.metric_rows import NightMetrics, read_metrics
from tasks.storage.run_records import Run

NIGHTS = 7
"""The number of earlier nights that tonight's quality is compared with."""

LEAST_ROWS = 30
"""A source that had fewer rows may shrink by any share: only that it vanished counts."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class CheckedNight:
    """The records of a night that `Check.figure` is computed from.

    Attributes:
        data: the clean data.
        run: the record of the night; its champion is known.
        live: the run that readers see; None where tonight's data may be older than its.
        choice: how the champion was chosen; None where no model was judged.
        runs: the records of all runs of the home.
        min_users: with fewer users of the select half the champion's quality is not checked (`judge.min_users`).
        before: the run that readers see, of whatever data: its input is compared with tonight's.
    """

    data: CleanData
    run: Run
    live: Run | None
    choice: Choice | None
    runs: Sequence[Run]
    min_users: int
    before: Run | None = None

    @cached_property
    def metrics(self) -> NightMetrics | None:
        """The figures of the models; None where too few users were judged to compare by them."""
        if self.choice is None or self.choice.decision.n_users < self.min_users:
            return None
        return read_metrics(self.choice.folder)


def rejected_rows(night: CheckedNight) -> float:
    """Return the greatest share of rejected rows of any source."""
    shares = (count.quarantined / max(count.rows_in, 1) for count in night.data.counts)
    return max(shares, default=0.0)


def input_age_days(night: CheckedNight) -> float:
    """Return the days from the newest interaction to the start of the night."""
    return (night.run.started_at - night.data.newest_interaction) / _DAY


def days_behind_live(night: CheckedNight) -> float | None:
    """Return the days by which tonight's data end before those of the live lists; None without live lists."""
    if night.live is None or night.live.data_until is None or night.run.data_until is None:
        return None
    return max(0.0, (night.live.data_until - night.run.data_until) / _DAY)


def lost_rows(night: CheckedNight) -> float | None:
    """Return the greatest share of its clean rows or pairs that a source lost; None without an earlier run."""
    if night.before is None or not night.before.summary.intake:
        return None
    return max(0.0, *(loss.share for loss in _losses(night)))


def lost_rows_in_words(night: CheckedNight) -> str:
    """Return the sources that lost rows or pairs, before and now, the worst first."""
    worst: dict[str, _Loss] = {}
    for loss in sorted(_losses(night), key=lambda loss: -loss.share):
        if loss.share > 0:
            worst.setdefault(loss.source, loss)
    return ", ".join(
        f"{loss.source} had {loss.before:,} {loss.what} in the live run and have {loss.now:,} tonight"
        for loss in worst.values()
    )


class _Loss(NamedTuple):
    """Counts of one source, rows or pairs, in an earlier run (`before`) and tonight (`now`)."""

    source: str
    what: str
    before: int
    now: int

    @property
    def share(self) -> float:
        """The share that was lost; 0 where too few were there to tell, unless all are gone."""
        if self.before < LEAST_ROWS and self.now:
            return 0.0
        return max(0.0, 1 - self.now / self.before)


def _losses(night: CheckedNight) -> list[_Loss]:
    """Return rows and pairs of every source of the earlier run; none without one."""
    earlier = () if night.before is None else night.before.summary.intake
    tonight = {count.source: count for count in night.data.counts}
    found = []
    for then in earlier:
        now = tonight.get(then.source)
        found.append(_Loss(then.source, "rows", then.clean, 0 if now is None else now.clean))
        if then.pairs is not None:
            found.append(_Loss(then.source, "pairs", then.pairs, 0 if now is None else now.pairs or 0))
    return [loss for loss in found if loss.before]


def champion_above_popularity(night: CheckedNight) -> float | None:
    """Return the upper end of the interval of champion − popularity on the select half."""
    if night.metrics is None or night.run.champion is None:
        return None
    gain = night.metrics.difference(night.run.champion, "popularity", half="select")
    return None if gain is None else gain.high


def quality(night: CheckedNight) -> float | None:
    """Return the upper end of the champion's interval on the select half, over the median of earlier champions."""
    if night.metrics is None or night.choice is None or night.run.champion is None:
        return None
    own = night.metrics.row(night.run.champion, *name_and_k(night.choice.decision.metric), half="select")
    before = [quality for quality in map(_champions_mean, comparable(night.run, night.runs)) if quality]
    return own.ci_high / median(before) if own is not None and own.ci_high is not None and before else None


def comparable(run: Run, runs: Sequence[Run]) -> Sequence[Run]:
    """Return the `NIGHTS` newest published nights of earlier data that were judged like `run`, newest first."""
    same = [
        other
        for other in runs
        if other.status == "published"
        and other.as_of is not None
        and run.as_of is not None
        and other.as_of < run.as_of
        and other.protocol == run.protocol
    ]
    return sorted(same, key=lambda other: (other.as_of, other.run_id), reverse=True)[:NIGHTS]


def _champions_mean(run: Run) -> float | None:
    """Return the champion metric of the model behind a night's lists, on the select half of that night."""
    decision = run.summary.decision
    return None if decision is None else decision.means.get(run.champion or "")
