"""Move a home to another serving database, or let it take over the database of a lost home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.publication.targets.connect import address_of, configured_url, open_target, serving_url
from tasks.publication.targets.ownership import ANY_OWNER
from tasks.storage.home import Home, locked


@dataclass(frozen=True)
class Adopted:
    """A database that changes its home.

    Attributes:
        place: the database.
        owner: the home that it belonged to.
        live: the run that readers see; None if there is none.
        runs: how many runs are kept.
    """

    place: str
    owner: str
    live: int | None
    runs: int


def move_target(home: Home, settings: Settings) -> tuple[str | None, str]:
    """Publish to the database that the settings name from now on; return the addresses before and from now on.

    Nothing is written to either database: the lists in the old one stay, and the next night publishes to the new one.
    """
    before, address = home.target, address_of(configured_url(home, settings))
    with locked(home):
        home.remember_target(address)
    return before, address


def adopt(home: Home, settings: Settings, confirm: Callable[[Adopted], bool]) -> Adopted | None:
    """Make the serving database belong to `home`, with its lists, and fix the home's id types to the database's.

    Args:
        home: takes the database over.
        settings: name the database.
        confirm: is shown what would be taken over, and returns whether to do it.

    Returns:
        What was taken over; None if it was not confirmed.

    Raises:
        UsageError: there is nothing to take over, or the database holds ids of other types than the home.
    """
    url = serving_url(home, settings)
    with locked(home), open_target(url, owner=ANY_OWNER) as target:
        owner = target.stamped_owner
        if owner is None:
            raise UsageError(
                f"{target.place} belongs to no home yet.", "The next recs run of this home publishes to it."
            )
        if owner == home.owner:
            raise UsageError(f"{target.place} belongs to this home already.", "There is nothing to adopt.")
        types = home.id_types()
        if types is not None and types != target.ids:
            raise UsageError(
                f"{target.place} has {target.ids.user} user ids and {target.ids.item} item ids, but this home has "
                f"{types[0]} and {types[1]}.",
                "Publish to a new database: RECS_PUBLISH__URL.",
            )
        found = Adopted(target.place, owner, target.live_run(), len(target.published_runs()))
        if not confirm(found):
            return None
        with target.publication_lock():
            target.take_over(home.owner)
        home.fix_id_types(target.ids.user, target.ids.item)
        home.remember_target(address_of(url))
    return found
