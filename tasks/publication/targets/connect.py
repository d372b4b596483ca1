"""Address → target. Another kind of database is one file beside this one and one name in `TARGETS`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.publication.targets.base import Target
from tasks.publication.targets.postgresql import PostgreSQLTarget
from tasks.publication.targets.sqlite import SQLiteTarget
from tasks.storage.home import Home

TARGETS: dict[str, type[Target]] = {target.scheme: target for target in (SQLiteTarget, PostgreSQLTarget)}


def serving_url(home: Home, settings: Settings) -> str:
    """Where the lists of a home go; may hold a password."""
    return settings.publish.url.get_secret_value() if settings.publish.url else home.default_url


@contextmanager
def open_target(url: str, *, owner: str) -> Iterator[Target]:
    """The serving database at `url`, to publish to. `owner` names the home; it is stamped at the first claim.

    Raises:
        UsageError: the address is wrong or of an unsupported kind, or the database belongs to another home.
        NightError: the database cannot be opened.
    """
    with _connected(url, owner=owner) as target:
        yield target


@contextmanager
def read_target(url: str) -> Iterator[Target]:
    """The serving database at `url`, only to read, whoever owns it. Errors as in `open_target`."""
    with _connected(url, owner=None) as target:
        yield target


@contextmanager
def _connected(url: str, *, owner: str | None) -> Iterator[Target]:
    target = _target_class(url).connect(sa.make_url(url), owner=owner)
    try:
        yield target
    finally:
        target.engine.dispose()


def _target_class(url: str) -> type[Target]:
    supported = (
        "sqlite:////folder/recommendations.db or "
        "postgresql://user:password@host/database?options=-csearch_path%3Dschema"
    )
    try:
        parts = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # its text repeats the address, which may hold a password
        raise UsageError(
            "The publication address is no database URL.", f"Set RECS_PUBLISH__URL to {supported}"
        ) from None
    kind = parts.get_backend_name()
    if kind != SQLiteTarget.scheme and "@" in f"{parts.host}{parts.database}":
        raise UsageError(
            "The publication address has an @ too many.", "In a user's name or a password write it as %40."
        )
    kind = "postgresql" if kind == "postgres" else kind  # what some hosts write
    if kind not in TARGETS:
        raise UsageError(f"Publishing to {kind!r} is not supported.", f"Set RECS_PUBLISH__URL to {supported}")
    return TARGETS[kind]
