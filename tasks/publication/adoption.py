"""Move a home to another serving database, or let it take over the database of a lost home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.config.settings import Settings
from tasks.errors import NightError, UsageError
from tasks.publication.errors import NoListsError
from tasks.publication.targets.address import VARIABLE
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import (
    address_of,
    configured_url,
    is_configured,
    open_target,
    read_target,
    serving_url,
)
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

    @property
    def dataset(self) -> str:
        """The data set of the home that it belonged to."""
        return self.owner.rpartition("/")[0] or "demo"


def move_target(home: Home, settings: Settings) -> tuple[str | None, str]:
    """Publish to the database that the settings name from now on; return the addresses before and from now on.

    Nothing is written to either database: the lists in the old one stay, and the next night publishes to the new one.

    Raises:
        UsageError: the new database cannot be reached, or its folder is missing; the home stays with the old one.
    """
    url = configured_url(home, settings)
    before, address = home.target, address_of(url)
    _require_reachable(url)
    with locked(home):
        home.remember_target(address)
    return before, address


def _require_reachable(url: str) -> None:
    """Raise unless the database at `url` can be read, or is a file that a night can create."""
    try:
        with read_target(url):
            pass
    except NoListsError:
        pass  # a file that the first night creates
    except NightError as error:
        raise UsageError(f"Nothing was moved: {error}", error.hint) from error


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
        found = _found(target)
        if found.owner == home.owner:
            raise UsageError(f"{target.place} belongs to this home already.", "There is nothing to adopt.")
        types = home.id_types()
        if types is not None and types != target.ids:
            raise UsageError(
                f"{target.place} has {target.ids.user} user ids and {target.ids.item} item ids, but this home has "
                f"{types[0]} and {types[1]}.",
                "Publish to a new database: RECS_PUBLISH__URL.",
            )
        if not confirm(found):
            return None
        with target.publication_lock():
            target.take_over(home.owner)
        home.fix_id_types(target.ids.user, target.ids.item)
        home.remember_target(address_of(url))
    return found


def database_to_adopt(settings: Settings) -> Adopted:
    """Return the database that the settings name, for a home that does not exist yet; nothing is written.

    Raises:
        UsageError: the settings name no database, or one that belongs to no home.
    """
    if settings.publish.url is None or not is_configured(settings):
        raise UsageError(
            f"{VARIABLE} is not set, so there is no database to take over.",
            "Set it to the address of the lost home's database, or name an existing home with --home.",
        )
    with read_target(settings.publish.url.get_secret_value()) as target:
        return _found(target)


def _found(target: Target) -> Adopted:
    owner = target.stamped_owner
    if owner is None:
        raise UsageError(
            f"{target.place} belongs to no home yet.", "The next recs run of this home publishes to it."
        )
    return Adopted(target.place, owner, target.live_run(), len(target.published_runs()))
