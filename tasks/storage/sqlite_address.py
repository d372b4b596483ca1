"""The address of a SQLite file."""

from __future__ import annotations

from pathlib import Path


def sqlite_address(path: str | Path) -> str:
    """Return the address of a file, with the odd characters of its path percent-encoded: `sqlite:////folder/lists.db`."""
    from sqlalchemy import URL  # noqa: PLC0415  (slow to import, and most commands only look for a home)

    return URL.create("sqlite", database=str(path)).render_as_string().replace(" ", "%20")
