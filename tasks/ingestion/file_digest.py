"""SHA-256 and kind of line ends of an input file, read from the disk once while the file stays the same.

A process remembers what it has read; `known_files.py` keeps it for later nights.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.numerics.resources import resources
from tasks.ingestion.file_names import SEPARATORS
from tasks.ingestion.read_errors import read_error

_BLOCK = 1 << 20
_FEED = ord("\n")
# A file that changed this recently is hashed again at the next call: a second write within one tick of the file
# system's clock (up to 2 s on FAT and NFS) leaves its times as they are.
_SETTLED_NS = 2_000_000_000


class Version(NamedTuple):
    """The fields of `os.stat` that change when a file is written or replaced."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    def is_same_file(self, other: Version) -> bool:
        """Return whether nothing was written between two versions. A disk may get another number when it is mounted."""
        return self[1:] == other[1:]


@dataclass(frozen=True)
class FileDigest:
    """The content of one file at one moment.

    Attributes:
        sha256: of the bytes on the disk, 64 hex characters.
        version: the file's `Version` before it was read; another one later means that the file has changed since.
        mixes_line_ends: True if lines end in more than one of the ways LF, CR LF and CR; None for anything but plain
            text by the name: a gzip is decompressed only when it lands.
    """

    sha256: str
    version: Version
    mixes_line_ends: bool | None


_digests: dict[Path, FileDigest] = {}


def digest_file(path: Path) -> FileDigest:
    """Return the digest of a file; reads the file only if this process has not read this version of it.

    Raises:
        NightError: the file cannot be read; a TransientError where another try may succeed.
    """
    path = path.absolute()
    try:
        with path.open("rb") as file:
            version = _version(os.fstat(file.fileno()))
            known = _digests.get(path)
            if known is not None and known.version.is_same_file(version):
                return known
            is_settled = time.time_ns() - max(version.mtime_ns, version.ctime_ns) > _SETTLED_NS
            is_plain_text = path.suffix.lower() in SEPARATORS
            sha256 = hashlib.sha256()
            line_ends = LineEnds()
            while block := file.read(_BLOCK):
                sha256.update(block)
                if is_plain_text:
                    line_ends.count(block)
    except OSError as error:
        raise read_error(path, error) from error
    digest = FileDigest(sha256.hexdigest(), version, line_ends.are_mixed if is_plain_text else None)
    if is_settled and version == file_version(path):
        _digests[path] = digest
    return digest


def digest_files(paths: Sequence[Path]) -> dict[Path, Future[FileDigest]]:
    """Read files side by side; return for each its digest, or the error of `digest_file` when the result is asked for.

    Args:
        paths: of the files; those that this process has read already are not read again.
    """
    with ThreadPoolExecutor(resources().threads, thread_name_prefix="digest") as pool:
        return {path: pool.submit(digest_file, path) for path in paths}


def remember_digest(path: Path, digest: FileDigest) -> None:
    """Let `digest_file` return this digest while the file's version is that of the digest."""
    _digests.setdefault(path.absolute(), digest)


def forget_digests() -> None:
    """Forget all digests, as a new process has none."""
    _digests.clear()


def remembered_digest(path: Path) -> FileDigest | None:
    """Return the digest that this process remembers of a file; None if it was read within a tick of its last change."""
    return _digests.get(path.absolute())


def file_version(path: Path) -> Version:
    """Return the version of the file that now lies at `path`.

    Raises:
        NightError: the file cannot be reached; a TransientError where another try may succeed.
    """
    try:
        return _version(path.stat())
    except OSError as error:
        raise read_error(path, error) from error


class LineEnds:
    """Counts the line ends of a text, block by block."""

    def __init__(self) -> None:
        self._returns = self._feeds = self._pairs = 0
        self._last = b""

    def count(self, block: bytes) -> None:
        """Add a block of the text."""
        # bytes.count takes thirty times as long as to see that there is none, and is slow at what is frequent
        self._feeds += int(np.count_nonzero(np.frombuffer(block, np.uint8) == _FEED))
        if b"\r" in block:
            self._returns += block.count(b"\r")
            self._pairs += block.count(b"\r\n")
        self._pairs += self._last == b"\r" and block.startswith(b"\n")
        self._last = block[-1:]

    @property
    def lines(self) -> int:
        """The lines that have ended so far."""
        return self._feeds + self._returns - self._pairs

    @property
    def are_mixed(self) -> bool:
        """True if lines end in more than one of the ways LF, CR LF and CR."""
        kinds = (self._pairs, self._feeds - self._pairs, self._returns - self._pairs)
        return sum(count > 0 for count in kinds) > 1


def _version(stat: os.stat_result) -> Version:
    return Version(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
