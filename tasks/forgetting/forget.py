"""Forget users and items: remove them from the lists, the warehouse and the home, and prove it; or remember them.

The list of forgotten ids is written first, so that no night takes them in again, then the live lists change, then all
else. Every step may be repeated: a call that was killed is finished by the same call. Tests kill it at the steps that
`on_step` is called with.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from tasks.artifacts import IdType
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.forgetting.caches import (
    remove_caches,
    remove_replayed_days,
    rewrite_exports,
    rewrite_lists,
    stale_artifacts,
)
from tasks.forgetting.longer_ids import longer_ids
from tasks.forgetting.own_input import remove_from_own_input
from tasks.forgetting.records import clean_records, remove_partial_files
from tasks.forgetting.side_databases import clean_database, side_databases
from tasks.forgetting.subject import KINDS_OF_IDS, Subject, subject_of
from tasks.forgetting.traces import Searched, file_of, search, seen_ids
from tasks.forgetting.warehouse import read_files_again, remove_from_warehouse, remove_leftovers
from tasks.publication.errors import NoListsError
from tasks.publication.queries import name_home_in_hints, parse_id
from tasks.publication.targets.base import OnStep, Target, ignore_steps
from tasks.publication.targets.connect import open_target, read_target, serving_url
from tasks.publication.withdrawal import withdraw
from tasks.reporting.after_night import write_index
from tasks.reporting.page.all_nights import INDEX
from tasks.storage.artifact_place import place_artifacts
from tasks.storage.forgotten import Forgotten, Id, IdKind, new_list, read_list, write_forgotten
from tasks.storage.home import Home, locked


@dataclass(frozen=True)
class Plan:
    """The plan of a call, shown before the confirmation.

    Attributes:
        subject: whom and what it forgets.
        found: where they are now.
        caches: how many artifacts are removed, which the next night makes anew.
        again: ids that are on the list already.
    """

    subject: Subject
    found: Searched
    caches: int
    again: tuple[Id, ...]


@dataclass(frozen=True)
class Outcome:
    """The result of a call.

    Attributes:
        plan: what it began with.
        left: what the search at the end found.
    """

    plan: Plan
    left: Searched


def forget(
    home: Home,
    settings: Settings,
    users: Sequence[str],
    items: Sequence[str],
    confirm: Callable[[Plan], bool],
    *,
    unseen: bool = False,
    on_step: OnStep = ignore_steps,
) -> Outcome | None:
    """Remove users and items from everything that we hold, search for what is left, and refuse them from now on.

    Args:
        home: the home.
        settings: how input files are read, and where the lists are.
        users: their ids as typed.
        items: likewise.
        confirm: is shown the plan, and returns whether to carry it out.
        unseen: also take ids that are nowhere: they are refused when they first come.
        on_step: called with `listed`, the steps of `withdraw`, `remove_from_warehouse` and `remove_from_own_input`,
            `lists_rewritten`, `records_cleaned`, `caches_removed`, `databases_cleaned`, `searched`.

    Returns:
        What was done; None if it was not confirmed.

    Raises:
        LockedError: a night, a tuning or a replay is running.
        UsageError: an id is of another type than the home's, or is nowhere.
        TransientError: a database is open in another program, or the artifacts are out of reach; the same call goes
            on.
    """
    id_types = _id_types(home)
    ids = (_ids(users, id_types[0], "user"), _ids(items, id_types[1], "item"))
    subject = subject_of(*ids, id_types, settings.data)
    with (
        locked(home),
        locked(home, "tune"),
        locked(home, "replay"),
        _lists(home, settings) as target,
    ):
        place_artifacts(home, home.place)
        listed = read_list(home.forgotten) or new_list(id_types)
        subject = replace(subject, longer=longer_ids(home, target, subject))
        plan = _plan(home, settings, target, subject, listed, unseen=unseen)
        if not confirm(plan):
            return None
        for kind in KINDS_OF_IDS:
            listed.add(kind, subject.of(kind))
        write_forgotten(home.forgotten, listed)
        on_step("listed")
        _remove(home, settings, target, subject, on_step)
        left = search(home, settings.data, target, subject)
        on_step("searched")
        if not left.left and not left.unread:
            for kind in KINDS_OF_IDS:
                listed.mark_proved(kind, subject.of(kind))
            write_forgotten(home.forgotten, listed)
    return Outcome(plan, left)


def remember(home: Home, settings: Settings, users: Sequence[str], items: Sequence[str]) -> None:
    """Take users and items in again from the next night on, as far as the input has them.

    Args:
        home: the home.
        settings: how input files are read.
        users: their ids as typed.
        items: likewise.

    Raises:
        LockedError: a night is running.
        UsageError: an id is of another type than the home's, or not forgotten; nothing is changed then.
    """
    id_types = _id_types(home)
    ids = (_ids(users, id_types[0], "user"), _ids(items, id_types[1], "item"))
    subject = subject_of(*ids, id_types, settings.data)
    with locked(home):
        listed = read_list(home.forgotten) or new_list(id_types)
        for kind in KINDS_OF_IDS:
            for each in subject.of(kind):
                if not listed.holds(kind, each):
                    raise UsageError(
                        f"The {kind} {each!r} is not forgotten in {home.path}, so there is nothing to remember.",
                        "Is it the right id, and the right --home?",
                    )
        read_files_again(home.warehouse)
        for kind in KINDS_OF_IDS:
            for each in subject.of(kind):
                listed.remove(kind, each)
        write_forgotten(home.forgotten, listed)


def _id_types(home: Home) -> tuple[IdType, IdType]:
    found = home.id_types()
    if found is None:
        raise UsageError(
            f"No night has read data in {home.path}, so there is nothing to forget yet.",
            "Leave the rows out of the input files.",
        )
    return found


def _ids(texts: Sequence[str], id_type: IdType, kind: IdKind) -> list[Id]:
    """Return ids as typed as ids of the home's type."""
    empty = [text for text in texts if not text.strip()]
    if empty:
        raise UsageError(f"{empty[0]!r} is no {kind} id.", "Give the id as the input files have it.")
    return [parse_id(text.strip(), id_type, kind) for text in texts]


@contextmanager
def _lists(home: Home, settings: Settings) -> Iterator[Target | None]:
    """Open the serving database; None if nothing was published yet."""
    url = serving_url(home, settings)
    with ExitStack() as stack:
        stack.enter_context(name_home_in_hints(home))
        try:
            with read_target(url) as target:
                target.check_owner(home.owner)
                has_schema = target.has_schema
        except NoListsError:
            has_schema = False
        yield stack.enter_context(open_target(url, owner=home.owner)) if has_schema else None


def _plan(
    home: Home,
    settings: Settings,
    target: Target | None,
    subject: Subject,
    listed: Forgotten,
    *,
    unseen: bool,
) -> Plan:
    """Search for the subject; raise if an id is nowhere and was never forgotten."""
    again = []
    seen = seen_ids(home, target, subject)
    for kind in KINDS_OF_IDS:
        for each in subject.of(kind):
            if listed.holds(kind, each):
                again.append(each)
            elif not unseen and (kind, each) not in seen:
                raise UsageError(
                    f"There is no {kind} {each!r} in {home.path}: nothing was changed.",
                    "Is it the right id, and the right --home? To refuse an id before a night has read it: --unseen",
                )
    found = search(home, settings.data, target, subject)
    return Plan(subject, found, len(stale_artifacts(home.artifact_store)), tuple(again))


def _remove(home: Home, settings: Settings, target: Target | None, subject: Subject, on_step: OnStep) -> None:
    if target is not None:
        withdraw(target, subject.users, subject.items, on_step, subject.mentions.blank)
    remove_leftovers(home.warehouse)
    remove_from_warehouse(home.warehouse, subject, on_step)
    remove_partial_files(home.path)
    remove_from_own_input(home, settings.data, subject, on_step)
    store = home.artifact_store
    rewrite_lists(store, home.runs, subject)
    on_step("lists_rewritten")
    rewrite_exports(home.path, subject)
    clean_records(home.path, subject, target.published_runs() if target is not None else ())
    if (home.runs / INDEX).exists():
        write_index(home)  # of the records as they are now
    on_step("records_cleaned")
    remove_caches(store)
    shutil.rmtree(home.tuning, ignore_errors=True)
    remove_replayed_days(home.replays)
    on_step("caches_removed")
    for path in side_databases(home.path, file_of(target)):
        clean_database(path, subject)
    on_step("databases_cleaned")
