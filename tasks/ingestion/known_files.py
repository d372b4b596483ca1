"""Keep in the warehouse what nights have seen of the input files, so that an unchanged file is not hashed again.

A file whose hash is kept was last changed over two seconds before it was hashed (`file_digest.py`): within one tick of
the file system's clock a second change may leave its times as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tasks.ingestion.file_digest import FileDigest, Version, remember_digest, remembered_digest
from tasks.storage.warehouse import run_file


@dataclass(frozen=True)
class KnownFile:
    """The version and hash of a file in an earlier night; `sha256` is None if that night did not read it."""

    version: Version
    sha256: str | None
    mixes_line_ends: bool | None


def read_known_files(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, KnownFile]:
    """Return what earlier nights saw of the input folder, by path, and let `digest_file` know their hashes."""
    known = {}
    records = con.execute(
        "select path, device, inode, size, mtime_ns, ctime_ns, sha256, mixes_line_ends from known_files"
    ).fetchall()
    for path, *version, sha256, mixes_line_ends in records:
        known[path] = KnownFile(Version(*version), sha256, mixes_line_ends)
        if sha256 is not None:
            remember_digest(folder / path, FileDigest(sha256, known[path].version, mixes_line_ends))
    return known


def keep_known_files(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    read: Iterable[str],
    waiting: Mapping[str, Version],
    known: Mapping[str, KnownFile],
) -> None:
    """Replace what is kept of the input folder, if it has changed.

    Args:
        con: the warehouse.
        folder: the input folder.
        read: the paths of the files whose digests this process has taken.
        waiting: the versions of the files that wait for a later night.
        known: what is kept so far.
    """
    now = {path: KnownFile(version, None, None) for path, version in waiting.items()}
    for path in read:
        digest = remembered_digest(folder / path)
        if digest is not None:
            now[path] = KnownFile(digest.version, digest.sha256, digest.mixes_line_ends)
    if now == known:
        return
    records = [(path, *each.version, each.sha256, each.mixes_line_ends) for path, each in now.items()]
    columns = [list(column) for column in zip(*records, strict=True)] or [[] for _ in range(8)]
    names = ("paths", "devices", "inodes", "sizes", "mtimes_ns", "ctimes_ns", "hashes", "mixes_line_ends")
    run_file(con, "warehouse/land/keep_known_files.sql", **dict(zip(names, columns, strict=True)))
