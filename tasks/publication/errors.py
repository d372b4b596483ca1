"""Errors of the serving database whose hints name a command that needs the home (`queries.name_home_in_hints`)."""

from __future__ import annotations

from tasks.errors import CheckFailedError, NightError, UsageError


class NoListsError(UsageError):
    """Nothing has been published to the serving database yet."""


class RunsCommandError(NightError):
    """Base of the errors whose hint ends with the command `recs runs`."""


class OtherOwnerError(UsageError):
    """The serving database belongs to another home. Its hint ends with the command `recs adopt`."""


class OlderSchemaError(UsageError):
    """An older version made the serving database; the next night upgrades it."""


class WrongIdError(UsageError):
    """An id is not of the type that the serving database has: the ids may be those of another home."""


class RunNotFoundError(RunsCommandError, UsageError):
    """The run that was asked for has no lists in the serving database, or is live already."""


class LiveRunChangedError(RunsCommandError):
    """Another process switched or removed runs at the same moment."""


class ListsChangedError(RunsCommandError, CheckFailedError):
    """A run's lists differ from those that were published."""


def no_lists(place: str) -> NoListsError:
    """Return the error for a serving database at `place` without any published run."""
    return NoListsError(f"There are no lists in {place} yet.", "Publish some with: recs run")
