"""Tell by its first bytes what a file holds, whatever its name says."""

from __future__ import annotations

import codecs
import re
from typing import Literal

Container = Literal["plain", "gzip", "bzip2", "xz", "zstd", "zip"]

SIZE = 1 << 16
"""How many bytes are looked at."""

# Where the first bytes of a format are letters that a column's name may begin with, more is asked for: a byte that no
# text has. Text may separate columns by 0x01 or 0x1C to 0x1F.
_NO_TEXT = rb"[\x00\x02-\x08\x0e-\x1b]"

_CONTAINERS: dict[Container, re.Pattern[bytes]] = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),  # a first block, or the end
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "zip": re.compile(rb"PK\x03\x04"),
}
_PARQUET = re.compile(rb"(?s)PAR1(?:\Z|.{0,60}" + _NO_TEXT + rb"|.*PAR1\Z)")
_FOREIGN = {
    rb"PK\x05\x06": "an empty zip archive",
    rb"7z\xbc\xaf\x27\x1c": "a 7z archive",
    rb"Rar!\x1a\x07": "a RAR archive",
    rb"\x04\x22\x4d\x18": "an LZ4 archive",
    rb"\x1f\x9d": "a compress archive (.Z)",
    rb"\xff\x06\x00\x00sNaPpY": "a Snappy archive",
    rb"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    rb"PARE.{0,60}" + _NO_TEXT: "an encrypted Parquet file",
    rb"ORC.{0,60}" + _NO_TEXT: "an ORC file",
    rb"Obj\x01.{0,4000}avro\.": "an Avro file",
    rb"ARROW1\x00": "an Arrow (Feather) file",
    rb"FEA1\x00": "a Feather file",
    rb"SQLite format 3\x00": "an SQLite database",
    rb"\x89HDF": "an HDF5 file",
    rb"\x93NUMPY": "a NumPy array",
    rb"%PDF-\d\.\d\s": "a PDF",
    rb"\x7fELF": "a program",
    rb"\x89PNG": "an image",
    rb"version https://git-lfs\.github\.com/spec/.{0,1000}\noid sha": "a Git LFS pointer, not the data itself",
    rb".{257}ustar[\x00 ]": "a tar archive",
    "(?:ÿþ|þÿ)".encode() + rb".{0,4}\x00": "UTF-16 that was converted to UTF-8 as if it were Latin-1",
    "ï»¿".encode(): "UTF-8 that was converted to UTF-8 as if it were Latin-1",
    "\x1f\x8b".encode(): "gzip that was converted to UTF-8 as if it were Latin-1",
    "\x1f‹".encode(): "gzip that was converted to UTF-8 as if it were cp1252",
    "\ufffd\ufffd".encode() + rb".{0,4}\x00": "UTF-16 that was converted to UTF-8 as if it were that already",
    "\x1f\ufffd".encode(): "gzip that was converted to UTF-8 as if it were that already",
}
_FORMATS = [(re.compile(b"(?s)" + beginning), name) for beginning, name in _FOREIGN.items()]
_BOMS = {  # UTF-32 before UTF-16, whose mark it begins with
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MARKUP = re.compile(rb"(?is)\A\s*<(?:!doctype|html|head|body|\?xml|error)\b")
_JSON = re.compile(rb'\A\s*(?:\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*[\[{])')


def container_of(head: bytes) -> Container:
    """Return the compression that a file begins with; `plain` if none."""
    return next((kind for kind, beginning in _CONTAINERS.items() if beginning.match(head)), "plain")


def is_parquet(head: bytes) -> bool:
    """Return whether a file begins as Parquet."""
    return _PARQUET.match(head) is not None


def foreign_format(head: bytes) -> str:
    """Return the name of a format that cannot be read, such as "an HTML page"; empty if it may be text."""
    for beginning, name in _FORMATS:
        if beginning.match(head):
            return name
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
