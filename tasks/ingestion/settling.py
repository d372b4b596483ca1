"""Tell whether an increment is still being written: then it waits for the next night, and is not read by half.

A file waits only while it is young, and no night waits for the same version of it twice: whatever its times say, a file
that has not changed since the last night is read.
"""

from __future__ import annotations

import lzma
import time
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from tasks.artifacts import LeftFile
from tasks.errors import NightError
from tasks.ingestion.file_digest import Version, file_version
from tasks.ingestion.first_bytes import is_parquet
from tasks.ingestion.input_files import InputFile
from tasks.ingestion.known_files import KnownFile
from tasks.ingestion.read_errors import file_changed
from tasks.ingestion.unpack import open_unpacked, read_head

_PAUSE = 1.0
"""Seconds between two looks at young files, at the least."""
_LINE_ENDS = (b"\n", b"\r", b"\n\0", b"\r\0")  # in UTF-16, too

_looks: dict[Path, tuple[Version | None, float]] = {}
"""The first look of this process at a version of a file, and when that was."""


def unsettled(
    files: Sequence[InputFile], known: Mapping[str, KnownFile], settle_seconds: float
) -> dict[InputFile, LeftFile]:
    """Return the files that are probably still being written, with the evidence. Looks at young files twice.

    Args:
        files: the increments.
        known: what earlier nights saw of them.
        settle_seconds: how long a file is young, from its last change.
    """
    young = [file for file in files if is_young(file, known, settle_seconds)]
    if not young:
        return {}
    first = {}
    for file in young:
        version = _look(file.location)
        seen, at = _looks.get(file.location, (version, time.monotonic()))
        _looks[file.location] = first[file] = (version, time.monotonic()) if seen != version else (seen, at)
    latest = max(at for _, at in first.values())
    time.sleep(max(0.0, min(_PAUSE, settle_seconds) - (time.monotonic() - latest)))
    found = {file: _evidence(file.location, version) for file, (version, _) in first.items()}
    return {file: LeftFile(file.path, why) for file, why in found.items() if why}


def is_young(file: InputFile, known: Mapping[str, KnownFile], settle_seconds: float) -> bool:
    """Return whether a file was changed within `settle_seconds`, or later than now, and no earlier night saw it so."""
    version = _look(file.location)
    if version is None:
        return True
    seen = known.get(file.path)
    if seen is not None and seen.version.is_same_file(version):
        return False
    return time.time() - version.mtime_ns / 1e9 < settle_seconds


def _look(path: Path) -> Version | None:
    """Return the version of a file; None if it is gone."""
    try:
        return file_version(path)
    except NightError as error:
        if str(error) != str(file_changed(path)):
            raise
        return None


def _evidence(path: Path, version: Version | None) -> str:
    """Return why a young file seems to be incomplete, as a phrase; empty if it does not."""
    now = _look(path)
    if now is None or now != version:
        return "it changes while it is looked at"
    if now.size == 0:
        return "it is empty"
    try:
        return _open_end(path)
    except NightError:
        return ""  # such as a zip of two files: not a matter of time, so that its reader says it
    except (
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
        pa.ArrowException,
    ):
        return "its compressed content breaks off"


def _open_end(path: Path) -> str:
    """Return what is missing at the end of a file, as a phrase; empty if nothing seems to be."""
    container, head = read_head(path)
    if container == "zip" and not zipfile.is_zipfile(path):
        return "the directory at its end is missing"
    if container != "plain":
        with open_unpacked(path, container) as data:
            while data.read1(1 << 20):
                pass
        return ""
    with path.open("rb") as file:
        file.seek(-min(4, path.stat().st_size), 2)
        end = file.read()
    if is_parquet(head):
        return "" if end == b"PAR1" else "the footer of Parquet at its end is missing"
    return "" if end.endswith(_LINE_ENDS) else "its last line has no line end"
