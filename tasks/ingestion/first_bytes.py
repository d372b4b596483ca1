"""Tell by its first bytes what a file holds, whatever its name says."""

from __future__ import annotations

import codecs
import re
from typing import Literal

Container = Literal["plain", "gzip", "bzip2", "xz", "zstd", "zip"]

SIZE = 1 << 16
"""How many bytes are looked at."""

_CONTAINERS: dict[bytes, Container] = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip",
}  # fmt: skip
_FOREIGN = {
    b"PK\x05\x06": "an empty zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x04\x22\x4d\x18": "an LZ4 archive",
    b"\x1f\x9d": "a compress archive (.Z)",
    b"\xff\x06\x00\x00sNaPpY": "a Snappy archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"PARE": "an encrypted Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow (Feather) file",
    b"FEA1": "a Feather file",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"%PDF": "a PDF",
    b"\x7fELF": "a program",
    b"\x89PNG": "an image",
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer, not the data itself",
    "ÿþ".encode(): "UTF-16 that was converted to UTF-8 as if it were Latin-1",
    "þÿ".encode(): "UTF-16 that was converted to UTF-8 as if it were Latin-1",
    "ï»¿".encode(): "UTF-8 that was converted to UTF-8 as if it were Latin-1",
    "\x1f\x8b".encode(): "gzip that was converted to UTF-8 as if it were Latin-1",
    "\x1f‹".encode(): "gzip that was converted to UTF-8 as if it were cp1252",
    "\ufffd\ufffd".encode(): "UTF-16 that was converted to UTF-8 as if it were that already",
    "\x1f\ufffd".encode(): "gzip that was converted to UTF-8 as if it were that already",
}
_BOMS = {  # UTF-32 before UTF-16, whose mark it begins with
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MARKUP = re.compile(rb"(?is)\A\s*<(?:!doctype|html|head|body|\?xml|error)\b")
_JSON = re.compile(rb'\A\s*(?:\{\s*"|\[\s*[\[{])')


def container_of(head: bytes) -> Container:
    """Return the compression that a file begins with; `plain` if none."""
    return next((kind for magic, kind in _CONTAINERS.items() if head.startswith(magic)), "plain")


def is_parquet(head: bytes) -> bool:
    """Return whether a file begins as Parquet."""
    return head.startswith(b"PAR1")


def foreign_format(head: bytes) -> str:
    """Return the name of a format that cannot be read, such as "an HTML page"; empty if it may be text."""
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            return name
    if head[257:262] == b"ustar":
        return "a tar archive"
    if _MARKUP.match(head.removeprefix(codecs.BOM_UTF8)):
        title = re.search(rb"(?is)<(?:title|message)[^>]*>\s*(.{1,80}?)\s*</", head)
        about = f' titled "{title[1].decode("utf-8", "replace")}"' if title else ""
        return f"an HTML or XML page{about}, such as an error message or a login page"
    if _JSON.match(head.removeprefix(codecs.BOM_UTF8)):
        return "JSON"
    return ""


def marked_encoding(head: bytes) -> str:
    """Return the encoding of a text with a byte order mark; empty without one."""
    return next((name for mark, name in _BOMS.items() if head.startswith(mark)), "")


def unmarked_utf16(head: bytes) -> str:
    """Return `utf-16-le` or `utf-16-be` if the text looks like UTF-16 without a byte order mark; else empty.

    Latin letters and digits have a zero as every other byte.
    """
    sample = head[:4096]
    half = len(sample) // 2
    if half < 2 or sample.count(0) < 0.8 * half:
        return ""
    if sample[1::2].count(0) >= 0.8 * half and sample[::2].count(0) == 0:
        return "utf-16-le"
    return "utf-16-be" if sample[::2].count(0) >= 0.8 * half and sample[1::2].count(0) == 0 else ""
