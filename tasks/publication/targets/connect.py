"""Address → target. Another kind of database is one module in this folder: a `Target` that names its `schemes`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import sqlalchemy as sa

from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.publication import targets
from tasks.publication.targets.base import Target
from tasks.storage.home import Home


def serving_url(home: Home, settings: Settings) -> str:
    """Return the address to which a home's lists are published; it may hold a password."""
    return settings.publish.url.get_secret_value() if settings.publish.url else home.default_url


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
    target = _target_class(url).connect(sa.make_url(url), owner=owner)
    try:
        yield target
    finally:
        target.engine.dispose()


def _target_class(url: str) -> type[Target]:
    known = known_targets()
    supported = " or ".join(target.example for target in known)
    try:
        parts = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # its text repeats the address, which may hold a password
        raise UsageError(
            "The publication address is no database URL.", f"Set RECS_PUBLISH__URL to {supported}"
        ) from None
    scheme = parts.get_backend_name()
    target = next((target for target in known if scheme in target.schemes), None)
    if target is None:
        raise UsageError(
            f"Publishing to {scheme!r} is not supported.", f"Set RECS_PUBLISH__URL to {supported}"
        )
    # An @ in host or database is the rest of a password that was not percent-encoded: refuse it before it is shown.
    if not target.address_is_path and "@" in f"{parts.host}{parts.database}":
        raise UsageError(
            "The publication address has an @ too many.", "In a user's name or a password write it as %40."
        )
    return target
