"""Recognise files that bear the name of a source and hold something else, as the archives of MovieLens do."""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.artifacts import Source
from tasks.config.data_settings import DataSettings, LinksColumns, UsersColumns
from tasks.errors import NightError
from tasks.ingestion.first_bytes import is_parquet
from tasks.ingestion.unpack import read_head

_MOVIELENS = {
    "links.csv": b"movieId,imdbId,tmdbId",
    "genome-scores.csv": b"movieId,tagId,relevance",
    "genome-tags.csv": b"tagId,tag",
}
"""Files of the archives that no model uses, and how each begins."""

_USERS_OF_MOVIELENS_1M = b"1::F::1::10::48067"
"""Beginning of its users.dat, which has no header: without `data.users.columns` it is left out, as it always was."""

_ITEM_COLUMNS = frozenset({"movieid", "itemid", "imdbid", "tmdbid"})


def belongs_to_movielens(path: Path) -> bool:
    """Return whether this is a file of MovieLens that is known to be of no use here, by its name and first line."""
    header = _MOVIELENS.get(path.name)
    return header is not None and _begins_with(path, header)


def why_foreign(path: Path, source: Source, settings: DataSettings) -> str:
    """Return why a file of a source's default name is not of that source; empty if it is, or settings name it.

    Only links and users are looked at: their files begin as the archives of data sets have them, which were made for
    other purposes. Whatever else is wrong with a file is said by whoever reads it.

    Args:
        path: the file.
        source: the source whose name it has.
        settings: where each source is.
    """
    links, users = settings.links, settings.users
    if source == "links" and links.file == LinksColumns().file and not links.columns:
        names = {name.casefold() for name in _names_in_header(path)}
        if links.friend.casefold() not in names and names & (
            _ITEM_COLUMNS | {settings.items.item.casefold()}
        ):
            return f"it links items, not users: it has no column {links.friend!r}"
    is_unnamed = users.file == UsersColumns().file and not users.columns
    if source == "users" and is_unnamed and _begins_with(path, _USERS_OF_MOVIELENS_1M):
        return 'it has no header: name its columns, [data.users] columns = ["userId", "gender", "age", "..."]'
    return ""


def _names_in_header(path: Path) -> list[str]:
    """Return the column names of a Parquet file, or the words of a text's first line; none if it cannot be read."""
    try:
        container, head = read_head(path)
        if container == "plain" and is_parquet(head):
            return list(pq.read_schema(path).names)
    except (
        NightError, OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError,
        pa.ArrowException,
    ):  # fmt: skip
        return []
    first_line = head.decode("utf-8-sig", "replace").partition("\n")[0]
    return re.findall(r"[^,;|\"\s]+", first_line)


def _begins_with(path: Path, beginning: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False
