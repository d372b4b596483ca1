"""Find or remove rows of input files, in any format that the night reads; all other text stays as it is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tasks.forgetting.mentions import Mentions
from tasks.forgetting.subject import Subject
from tasks.ingestion.csv_repair import Lookahead, columns_of, whole_record
from tasks.ingestion.first_bytes import Container, container_of, is_parquet
from tasks.ingestion.input_files import InputFile
from tasks.ingestion.read_file import Reading, reading_of, text_options
from tasks.ingestion.refused_rows import ID_COLUMNS
from tasks.ingestion.text_format import UTF8, TextFormat, text_format
from tasks.ingestion.unpack import open_unpacked, read_head

UNREADABLE = (
    NightError, OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowInvalid,
)  # fmt: skip
"""Exceptions that reading a damaged file raises, in any format."""
_ROWS = 1 << 16
_HEAD = 1 << 10
"""Bytes in which the header of a gzip ends, with the name of the packed file."""
_BOM = b"\xef\xbb\xbf"
_Gone = Callable[[str, str], bool]
"""Called with our name of a column, empty if it is not known, and a value: whether its row must go."""


def count_rows(file: InputFile, settings: DataSettings, subject: Subject) -> int:
    """Return how many rows of a file name the subject. Raises as `remove_rows`."""
    return _filter(file, settings, subject, None)[0]


def remove_rows(
    file: InputFile,
    settings: DataSettings,
    subject: Subject,
    before_replacing: Callable[[Path, Path], None] | None = None,
) -> int:
    """Remove the rows that name the subject from a file, atomically; return their number.

    A file of which no row is left is deleted: the night reads no empty files. The time of its last change stays: a
    rewritten file is no delivery that may still be under way.

    Args:
        file: the file.
        settings: how it is read.
        subject: whom and what to remove.
        before_replacing: called with the file and the one that is to take its place, unless it is deleted.

    Raises:
        NightError: the file cannot be read as the settings say; it stays as it was.
    """
    path = file.location
    partial = path.with_name(f".{path.name}.partial")
    try:
        removed, left = _filter(file, settings, subject, partial)
        if left and (removed or _packed_names(path, subject)):
            shutil.copystat(path, partial)
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            if before_replacing is not None:
                before_replacing(path, partial)
            partial.replace(path)
        elif removed:
            path.unlink()
    finally:
        partial.unlink(missing_ok=True)
    return removed


def _packed_names(path: Path, subject: Subject) -> bool:
    """Return whether the name of a file that a gzip or a zip keeps within holds an id of the subject."""
    if not subject.mentions:
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD)
    container = container_of(head)
    if container == "gzip":
        return subject.mentions.in_bytes(head)
    if container == "zip":
        with zipfile.ZipFile(path) as archive:
            return any(map(subject.mentions.in_text, archive.namelist()))
    return False


def _filter(
    file: InputFile, settings: DataSettings, subject: Subject, target: Path | None
) -> tuple[int, int]:
    """Write a file without the subject's rows to `target`, if any; return how many rows go and how many stay."""
    reading = reading_of(settings, file.source, file.path, deletes=file.deletes)
    is_gone = _test_of(file, subject)
    by_folder = any(is_gone(ours, value) for ours, value in reading.partition.items())
    container, head = read_head(file.location)
    if container == "plain" and is_parquet(head):
        if by_folder:
            return pq.ParquetFile(file.location).metadata.num_rows, 0
        return _filter_parquet(file.location, reading, is_gone, target)
    how = text_format(file.location, text_options(file, reading), container, head)
    if by_folder:
        return _filter_text(file.location, how, reading, ("",), lambda *_: True, None, subject.mentions)
    needles = tuple(_literal(str(each)) for each in (*subject.users, *subject.items))
    return _filter_text(file.location, how, reading, needles, is_gone, target, subject.mentions)


def _test_of(file: InputFile, subject: Subject) -> _Gone:
    columns = ID_COLUMNS[file.source]
    every = tuple(dict.fromkeys(kind for kinds in columns.values() for kind in kinds))

    @lru_cache(1 << 20)
    def is_gone(ours: str, value: str) -> bool:
        kinds = columns.get(ours, () if ours else every)
        return bool(kinds) and subject.refusal.refuses(file.source, kinds, value)

    return is_gone


def _literal(identifier: str) -> str:
    """Return a part of an id that stands in a file literally, however it is quoted there."""
    return max(identifier.split('"'), key=len)


# -- text -----------------------------------------------------------------------------------------------


def _filter_text(
    path: Path,
    how: TextFormat,
    reading: Reading,
    needles: Sequence[str],
    is_gone: _Gone,
    target: Path | None,
    mentions: Mentions,
) -> tuple[int, int]:
    ours = {theirs: name for name, theirs in reading.columns.items()}
    names = [ours.get(theirs, theirs) for theirs in how.header]
    removed = kept = 0
    with ExitStack() as stack:
        source = stack.enter_context(open_unpacked(path, how.container))
        encoding, mark = how.encoding, b""
        if encoding == UTF8:
            encoding, mark = "utf-8", _BOM if source.peek(3)[:3] == _BOM else b""
            source.read(len(mark))
        text = io.TextIOWrapper(source, encoding=encoding, errors=_errors(encoding), newline="")
        out = None
        if target is not None:
            packed = stack.enter_context(_packing(target, path, how.container, mentions))
            packed.write(mark)
            out = io.TextIOWrapper(packed, encoding=encoding, errors=_errors(encoding), newline="")
        for number, (record, values) in enumerate(_records(text, how, len(names))):
            is_header = number == 0 and how.has_header
            if not is_header and any(map(record.__contains__, needles)) and _names(values, names, is_gone):
                removed += 1
                continue
            kept += not is_header and bool(record.strip())
            if out is not None:
                out.write(record)
        if out is not None:
            out.flush()
            out.detach()
        text.detach()
    return removed, kept


def _errors(encoding: str) -> str:
    return "surrogateescape" if encoding == "utf-8" else "strict"


def _names(values: list[str], names: list[str], is_gone: _Gone) -> bool:
    """Return whether a row names the subject. In a row of another length than the header any value may be an id."""
    columns = names if len(values) == len(names) else [""] * len(values)
    return any(is_gone(column, value) for column, value in zip(columns, values, strict=True))


def _records(text: io.TextIOWrapper, how: TextFormat, n_columns: int) -> Iterator[tuple[str, list[str]]]:
    """Yield each record of a text as it stands, with its values. Quoted values may span lines."""
    lines = Lookahead(text)
    for line in lines:
        record: str | None = line
        if how.quote and '"' in line:
            record = whole_record(line, lines, how.separator, n_columns)
        ended = (line if record is None else record).rstrip("\r\n")
        values = columns_of(ended, how.separator) if how.quote and '"' in ended and record else None
        if values is None:
            values = [value.strip('"') for value in ended.split(how.separator)]
        yield line if record is None else record, values


def _packing(target: Path, like: Path, container: Container, mentions: Mentions) -> Any:
    """Open a file to write as `like` is packed. The same rows give the same bytes: a gzip holds no time and no name."""
    if container == "plain":
        return target.open("wb")
    if container == "gzip":
        return _ClosingGzip(target)
    if container == "bzip2":
        return bz2.BZ2File(target, "wb")
    if container == "xz":
        return lzma.LZMAFile(target, "wb")
    if container == "zstd":
        return _ClosingZstd(target)
    return _ZipMember(target, like, mentions)


class _ClosingGzip(gzip.GzipFile):
    """A gzip to write, without the name of its file, which may be that of a user."""

    def __init__(self, target: Path) -> None:
        self._file = target.open("wb")
        super().__init__("", "wb", fileobj=self._file, mtime=0)

    def close(self) -> None:
        """Close the packed file, too."""
        super().close()
        self._file.close()


class _ClosingZstd(io.RawIOBase):
    """A Zstandard file to write."""

    def __init__(self, target: Path) -> None:
        self._packed = pa.CompressedOutputStream(pa.OSFile(str(target), "wb"), "zstd")

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        self._packed.write(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close the packed file, too."""
        if not self.closed:
            self._packed.close()
        super().close()


class _ZipMember(io.RawIOBase):
    """The one member of a zip to write, under the name and time that it has in another zip, but for ids."""

    def __init__(self, target: Path, like: Path, mentions: Mentions) -> None:
        with zipfile.ZipFile(like) as archive:
            [member] = [each for each in archive.infolist() if not each.is_dir()]
        about = zipfile.ZipInfo(mentions.blank(member.filename), member.date_time)
        about.compress_type = zipfile.ZIP_DEFLATED
        self._archive = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED)
        self._member = cast(BinaryIO, self._archive.open(about, "w", force_zip64=True))

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        return self._member.write(data)

    def close(self) -> None:
        """Close the member and the archive, too."""
        if not self.closed:
            self._member.close()
            self._archive.close()
        super().close()


# -- Parquet --------------------------------------------------------------------------------------------


def _filter_parquet(path: Path, reading: Reading, is_gone: _Gone, target: Path | None) -> tuple[int, int]:
    removed = kept = 0
    with pq.ParquetFile(path) as file, ExitStack() as stack:
        writer = None
        if target is not None:
            packing = file.metadata.row_group(0).column(0).compression if file.num_row_groups else "NONE"
            writer = stack.enter_context(
                pq.ParquetWriter(
                    target, file.schema_arrow, compression=packing.lower().replace("lz4_raw", "lz4")
                )
            )
        for block in file.iter_batches(_ROWS):
            mask = _mask(block, reading, is_gone)
            staying = block.num_rows if mask is None else block.num_rows - (pc.sum(mask).as_py() or 0)
            removed, kept = removed + block.num_rows - staying, kept + staying
            if writer is not None:
                writer.write_batch(block if mask is None else block.filter(pc.invert(mask)))
    return removed, kept


def _mask(block: pa.RecordBatch, reading: Reading, is_gone: _Gone) -> pa.Array | None:
    """Return which rows go; None if none does."""
    found = None
    for ours, theirs in reading.columns.items():
        if theirs not in block.schema.names:
            continue
        column = block[theirs]
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        values = pc.unique(column)
        gone = [value for value in values.to_pylist() if value is not None and is_gone(ours, _as_text(value))]
        if gone:
            mask = pc.fill_null(pc.is_in(column, value_set=pa.array(gone, values.type)), False)
            found = mask if found is None else pc.or_(found, mask)
    return found


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
