"""Maintenance of the serving database between nights: verify lists against their checksum, prune old runs."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.errors import UsageError
from tasks.publication.checksum import Digest
from tasks.publication.errors import ListsChangedError, RunNotFoundError, no_lists
from tasks.publication.publish import drop_old_runs
from tasks.publication.targets.base import PublishedRun, Target
from tasks.publication.targets.schema import KINDS


@dataclass(frozen=True)
class Pruned:
    """Runs whose lists were removed, and the bytes that they took on disk as far as these were recorded."""

    runs: tuple[int, ...]
    bytes: int


def prune(target: Target, keep_runs: int) -> Pruned:
    """Remove leftovers of killed nights, and old runs until `keep_runs` are left, as a night does when it ends.

    Raises:
        LockedError: a night is publishing there.
        TransientError: a reader's transaction still uses a table that should go; another call goes on.
    """
    with target.publication_lock():
        before = {run.run_id: run.bytes or 0 for run in target.published_runs()}
        target.remove_leftovers(resuming=None)
        drop_old_runs(target, keep_runs)
        gone = sorted(before.keys() - {run.run_id for run in target.published_runs()})
    return Pruned(tuple(gone), sum(before[run] for run in gone))


def verify(target: Target, run_id: int | None = None) -> PublishedRun:
    """Read a run's lists back, by default the live run's, and compare their checksum with that of the publication.

    Raises:
        NoListsError: nothing has been published yet.
        RunNotFoundError: there is no such run.
        UsageError: the run was published by a version that recorded no checksum.
        ListsChangedError: the lists differ.
    """
    live = target.live_run()
    if live is None:
        raise no_lists(target.place)
    run_id = live if run_id is None else run_id
    known = {run.run_id: run for run in target.published_runs()}
    if run_id not in known:
        raise RunNotFoundError(
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
        raise ListsChangedError(
            f"The lists of run {run_id} in {target.place} are not those that were published: they were changed since.",
            "A rollback shows earlier lists; see which there are: recs runs",
        )
    return run
