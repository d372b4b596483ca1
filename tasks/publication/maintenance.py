"""The serving database between nights: are the lists those that were published, and which old ones may go."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.errors import CheckFailedError, UsageError
from tasks.publication.checksum import Digest
from tasks.publication.publish import drop_all_but
from tasks.publication.targets.base import PublishedRun, Target
from tasks.publication.targets.ownership import no_lists
from tasks.publication.targets.schema import KINDS


@dataclass(frozen=True)
class Pruned:
    """The runs whose lists were removed, and what they took on disk as far as it was known."""

    runs: tuple[int, ...]
    bytes: int


def prune(target: Target, keep_runs: int) -> Pruned:
    """Remove what killed nights left, and all runs but the live one and the newest: as a night does when it ends.

    Raises:
        LockedError: a night is publishing there.
        TransientError: a reader's transaction still holds what should go; another call goes on.
    """
    with target.publishing():
        before = {run.run_id: run.bytes or 0 for run in target.published_runs()}
        target.sweep(resuming=None)
        drop_all_but(target, keep_runs)
        gone = sorted(before.keys() - {run.run_id for run in target.published_runs()})
    return Pruned(tuple(gone), sum(before[run] for run in gone))


def verify(target: Target, run_id: int | None = None) -> PublishedRun:
    """Read a run's lists back, by default the live one's, and compare them with what was published.

    Raises:
        UsageError: there is no such run, or a version loaded it that did not keep the digest of its lists.
        CheckFailedError: the lists are others.
    """
    live = target.live_run()
    if live is None:
        raise no_lists(target.place)
    run_id = live if run_id is None else run_id
    known = {run.run_id: run for run in target.published_runs()}
    if run_id not in known:
        raise UsageError(
            f"There are no lists of run {run_id} in {target.place}.", "See what there is: recs runs"
        )
    run = known[run_id]
    if run.digest is None:
        raise UsageError(
            f"Run {run_id} was published by an older nightly-recs, which did not keep the digest of its lists.",
            "From the next publication on there is one.",
        )
    digest = Digest()
    for kind in KINDS:
        for block in target.rows(run_id, kind):
            digest.add(kind, block)
    if digest.hexdigest() != run.digest:
        raise CheckFailedError(
            f"The lists of run {run_id} in {target.place} are not those that were published: somebody or something "
            "has changed them.",
            "A rollback shows earlier lists; see which there are: recs runs",
        )
    return run
