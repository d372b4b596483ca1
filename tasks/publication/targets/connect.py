"""Address → target. Another kind of database is one module in this folder: a `Target` that names its `schemes`."""

from __future__ import annotations

import pkgutil
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import sqlalchemy as sa

from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.publication import targets
from tasks.publication.targets.address import VARIABLE, parse_address
from tasks.publication.targets.base import Target
from tasks.storage.home import Home


def serving_url(home: Home, settings: Settings) -> str:
    """Return the address to which a home's lists are published; it may hold a password.

    Raises:
        UsageError: the home remembers another database than the settings name, or the address is wrong.
    """
    url = configured_url(home, settings)
    target = address_of(url)
    if home.target in (None, target):
        return url
    move = f"recs target --move --home {shlex.quote(str(home.path))}"
    if is_configured(settings):
        raise UsageError(
            f"{VARIABLE} names {target}, but the lists of the home {home.path} are published to {home.target}.",
            f"Correct the variable. If the lists are to move to {target}: {move}",
        )
    raise UsageError(
        f"{VARIABLE} is not set, but the lists of the home {home.path} are published to {home.target}.",
        "Set it to that address, with its password if any: cron and systemd start without your shell's variables. "
        f"If the lists are to move to {target}: {move}",
    )


def configured_url(home: Home, settings: Settings) -> str:
    """Return the address that the settings name, or else that of the home's own file, whatever the home remembers."""
    url = settings.publish.url
    return url.get_secret_value() if url is not None and is_configured(settings) else home.default_url


def is_configured(settings: Settings) -> bool:
    """Return whether the settings name a serving database: an empty variable names none."""
    return settings.publish.url is not None and settings.publish.url.get_secret_value().strip() != ""


def address_of(url: str) -> str:
    """Return what identifies a serving database, as an address without user and password; it is not opened.

    Raises:
        UsageError: the address is wrong or of an unsupported kind.
    """
    kind, parts = _parsed(url)
    return kind.identity(parts)


@contextmanager
def open_target(url: str, *, owner: str) -> Iterator[Target]:
    """Open the serving database at `url` to publish to it.

    Args:
        url: a SQLAlchemy URL whose scheme some target names.
        owner: the home that publishes; stamped on the database when its schema is created.

    Raises:
        UsageError: the address is wrong or of an unsupported kind, or the database belongs to another home.
        NightError: the database cannot be opened.
    """
    with _connected(url, owner=owner) as target:
        yield target


@contextmanager
def read_target(url: str) -> Iterator[Target]:
    """Open the serving database at `url` read-only, whichever home owns it. Raises as `open_target` does."""
    with _connected(url, owner=None) as target:
        yield target


def known_targets() -> tuple[type[Target], ...]:
    """Return the targets of the modules in this folder, in the order of the modules' names."""
    names = (module.name for module in pkgutil.iter_modules(targets.__path__))
    members = [
        member for name in names for member in vars(import_module(f"{targets.__name__}.{name}")).values()
    ]
    return tuple(
        {
            member: None
            for member in members
            if isinstance(member, type) and issubclass(member, Target) and member.schemes
        }
    )


@contextmanager
def _connected(url: str, *, owner: str | None) -> Iterator[Target]:
    kind, parts = _parsed(url)
    target = kind.connect(parts, owner=owner)
    try:
        yield target
    finally:
        target.engine.dispose()


def _parsed(url: str) -> tuple[type[Target], sa.URL]:
    """Return the kind of target and the parts of an address."""
    known = known_targets()
    supported = " or ".join(target.example for target in known)
    parts = parse_address(url, supported)
    scheme = parts.get_backend_name()
    target = next((target for target in known if scheme in target.schemes), None)
    if target is None:
        raise UsageError(f"Publishing to {scheme!r} is not supported.", f"Set {VARIABLE} to {supported}")
    # An @ in host or database is the rest of a password that was not percent-encoded: refuse it before it is shown.
    if not target.address_is_path and "@" in f"{parts.host}{parts.database}":
        raise UsageError(
            "The publication address has an @ too many.", "In a user's name or a password write it as %40."
        )
    return target, target.check_address(url, parts)
