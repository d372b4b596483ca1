"""Open an input file as plain bytes, unpacked by what it holds: gzip, bzip2, xz, Zstandard, or a zip of one file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from tasks.errors import NightError
from tasks.ingestion.file_names import holds_no_data
from tasks.ingestion.first_bytes import SIZE, Container, container_of
from tasks.ingestion.read_errors import is_broken_off, truncated

_FREE = 1 << 30
_MAX_RATIO = 200
_ENCRYPTED = 0x1


def open_unpacked(path: Path, container: Container) -> io.BufferedReader:
    """Open a file of a known compression.

    Raises:
        NightError: a zip holds anything but one file, or is encrypted. Reading raises it when the file unpacks to
            over 1 GiB and 200 times its size, as no table of ratings does.
    """
    if container == "plain":
        return path.open("rb")
    if container == "gzip":
        packed: Any = gzip.GzipFile(path)
    elif container == "bzip2":
        packed = bz2.BZ2File(path)
    elif container == "xz":
        packed = lzma.LZMAFile(path)  # noqa: SIM115 closed by `_Limited`
    elif container == "zstd":
        packed = pa.input_stream(str(path), compression="zstd")
    else:
        packed = _only_member(path)
    return io.BufferedReader(_Limited(packed, path), 1 << 20)


def read_head(path: Path) -> tuple[Container, bytes]:
    """Return the compression of a file, and its first bytes unpacked."""
    with path.open("rb") as file:
        container = container_of(file.read(16))
    head = b""
    try:
        with open_unpacked(path, container) as data:
            while len(head) < SIZE and (block := data.read1(SIZE)):
                head += block
    except (EOFError, OSError) as error:
        if not head or not is_broken_off(error):
            raise  # else who reads it to the end says at which line it breaks off
    return container, head[:SIZE]


class _Limited(io.RawIOBase):
    """A stream that refuses to unpack far more than a table can be compressed to."""

    def __init__(self, packed: Any, path: Path) -> None:
        self._packed = packed
        self._path = path
        self._left = _FREE + _MAX_RATIO * path.stat().st_size

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; return how many bytes were read."""
        # `read1` returns what there is before the place at which a stream breaks off; `read` drops it.
        read = getattr(self._packed, "read1", self._packed.read)
        block = read(min(len(buffer), SIZE))
        self._left -= len(block)
        if self._left < 0:
            raise NightError(
                f"{self._path} unpacks to more than {_MAX_RATIO} times its size, as no table does.",
                "If it is what you expect, unpack it yourself.",
            )
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Close the packed file too."""
        self._packed.close()
        super().close()


def _only_member(path: Path) -> Any:
    """Open the one file in a zip, wherever in it; nothing is written to the disk."""
    if not zipfile.is_zipfile(path):
        raise truncated(path, "it begins as a zip archive, but the directory at its end is missing")
    with zipfile.ZipFile(path) as archive:
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not any(map(holds_no_data, PurePosixPath(member.filename).parts))
        ]
        names = [member.filename for member in members]
        if "[Content_Types].xml" in names:
            kind = (
                "an Excel workbook" if any(name.startswith("xl/") for name in names) else "an Office document"
            )
            raise NightError(f"{path} is {kind}.", "Save its sheet as CSV UTF-8 and deliver that.")
        if len(members) != 1:
            shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
            raise NightError(
                f"{path} is a zip archive of {len(members)} files{': ' * bool(shown)}{shown}; one was expected.",
                "Unpack it into the data set's folder.",
            )
        if members[0].flag_bits & _ENCRYPTED:
            raise NightError(f"{path} is an encrypted zip archive.", "Unpack it with its password.")
        return archive.open(members[0])
