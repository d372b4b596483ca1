"""The address of a serving database: read as SQLAlchemy reads it, or refused with what to write instead.

A message repeats a part of an address only if that part cannot hold a password.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import sqlalchemy as sa

from tasks.errors import UsageError
from tasks.storage.path_text import unexpanded_variable, with_tilde
from tasks.storage.sqlite_address import sqlite_address

VARIABLE = "RECS_PUBLISH__URL"

_WINDOWS = re.compile(r"/*[A-Za-z]:[\\/]|\\\\")
_PATH = re.compile(r"[^@=:]*/[^@=:]*|[^@=:]*\.(db|sqlite3?|s3db)", re.IGNORECASE)
_POSTGRESQL = "postgresql://user:password@host:port/database"


def parse_address(text: str, supported: str) -> sa.URL:
    """Return the parts of an address.

    Args:
        text: the value of the variable; blanks around it do not count.
        supported: examples of supported addresses, for hints.

    Raises:
        UsageError: it is no address; the hint says what to write instead.
    """
    text = text.strip()
    fault = _fault(text)
    if fault is not None:
        raise fault
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # its text repeats the address, which may hold a password
        raise UsageError(
            "The publication address is no database URL.", f"Set {VARIABLE} to {supported}"
        ) from None
    return url.set(drivername=url.drivername.lower())


def check_sqlite(text: str, url: sa.URL) -> sa.URL:
    """Return the parts of a SQLite address with its home folder (`~`) expanded.

    Raises:
        UsageError: it has a host, options or a path of Windows, or its path only exists before percent-decoding.
    """
    written = text.strip().partition("://")[2]
    if _WINDOWS.match(written):
        raise _windows_path(written)
    if "?" in written:
        raise _options(written)
    if url.host or url.username or url.port:
        path = "/".join(filter(None, (url.host, url.database)))
        raise UsageError(
            f"The address sqlite://{written} names a host, {written.partition('/')[0]!r}, and SQLite has none.",
            f"Write three slashes before a path: {sqlite_address(path)}",
        )
    if url.database is None:
        return url
    if url.database.startswith("file:"):
        raise _file_uri(url.database)
    meant = _expanded(url.database)
    _refuse_undecoded(written[1:], url.database, meant)
    return url.set(database=str(meant)) if url.database.startswith("~") else url


def _fault(text: str) -> UsageError | None:
    """Return the error for a text that is no address at all; None if it may be one."""
    if text.startswith(("'", '"')):
        return UsageError(
            "The publication address begins with a quotation mark.", f"Set {VARIABLE} without the marks."
        )
    if _holds_variable(text):
        return _variable(text)
    if text.startswith("jdbc:"):
        return UsageError("The publication address begins with jdbc:.", f"Leave that out: {_POSTGRESQL}")
    if text.lower().startswith("file:"):
        return _file_uri(text)
    return None if "://" in text and not _WINDOWS.match(text) else _path_fault(text)


def _holds_variable(text: str) -> bool:
    """Return whether an address holds an unexpanded variable; `$NAME` in a password may be the password itself."""
    without_password = re.sub(r"^([\w+]+://[^:@/]*):.*@", r"\1@", text).partition("?")[0]
    return bool(unexpanded_variable(without_password) or re.search(r":\$\{\w+\}@", text))


def _variable(text: str) -> UsageError:
    path = re.sub(r"^(sqlite[\w+]*|file):/*(?=[$%])", "", text, flags=re.IGNORECASE)
    tilde = with_tilde(path)
    if tilde is not None and tilde.startswith("~"):
        hint = f"Write it as {sqlite_address(tilde)}"
    elif text.lower().startswith("sqlite:"):
        hint = "Write the path in full: sqlite:////folder/lists.db. A $ of its own is written %24."
    else:
        hint = f"Set {VARIABLE} to the address in full."
    return UsageError("The publication address holds a variable, which nothing has expanded.", hint)


def _path_fault(text: str) -> UsageError | None:
    """Return the error for a text without a scheme: a path, libpq's keywords; None if it is neither."""
    if _WINDOWS.match(text):
        return _windows_path(text)
    if re.match(r"\w+ *=", text):
        return UsageError(
            "The publication address is a list of libpq's keywords.", f"Write it as {_POSTGRESQL}"
        )
    path = re.sub(r"^sqlite:", "", text, flags=re.IGNORECASE)
    if not _PATH.fullmatch(path):
        return None
    return UsageError(
        f"The publication address {text!r} is a path, not a database URL.",
        f"Write it as {sqlite_address(path)}",
    )


def _windows_path(path: str) -> UsageError:
    return UsageError(
        f"The publication address holds a path of Windows, {path.lstrip('/')}.",
        "Write the path as this system knows it, such as sqlite:////mnt/c/folder/lists.db",
    )


def _file_uri(text: str) -> UsageError:
    path = re.sub(r"^file:(//[^/]*)?", "", text, flags=re.IGNORECASE).partition("?")[0]
    return UsageError(
        "The publication address is a file: URI.", f"Write it as {sqlite_address(unquote(path))}"
    )


def _options(written: str) -> UsageError:
    path, _, options = written.partition("?")
    if "=" in options:
        names = ", ".join(part.partition("=")[0] for part in options.split("&"))
        return UsageError(
            f"The SQLite address sqlite://{path} has options that nightly-recs does not take: {names}.",
            "Leave out the ? and all behind it; if it belongs to the file's name, write it as %3F.",
        )
    return UsageError(
        f"The SQLite address sqlite://{written} has a question mark, which begins options.",
        f"If it belongs to the file's name, write it as {sqlite_address(written.removeprefix('/'))}",
    )


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(
            f"The home folder in {path} is not known.", "Write the whole path: sqlite:////folder/lists.db"
        ) from None


def _refuse_undecoded(written: str, decoded: str, meant: Path) -> None:
    """Raise where a path exists as it is written, but not as it is once `%20` and the like are decoded."""
    if written == decoded or meant.exists():
        return
    there = _expanded(written)
    if there.exists() or (there.parent.is_dir() and not meant.parent.is_dir()):
        raise UsageError(
            f"In the publication address {written!r} stands for the path {decoded!r}, which does not exist.",
            f"In addresses a % of a path is written %25: {sqlite_address(written)}",
        )
