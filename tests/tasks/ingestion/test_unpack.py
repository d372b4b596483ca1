"""Compressed input: every compression gives the same rows, and damaged or hostile archives a clear error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tasks.errors import NightError
from tasks.ingestion import unpack
from tests.tasks.inputs import GOOD, RATINGS, land_now, raw_ratings, rows

_draw = random.Random(1).randrange
LONG = RATINGS + "".join(f"{_draw(10**6)},{_draw(10**6)},3,{_draw(10**9)}\n" for _ in range(60_000))


def zstd(data: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return packed.getvalue().to_pybytes()


def zipped(**members: bytes) -> bytes:
    """A zip of members; `__` in a name stands for a dot."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return packed.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lambda data: lzma.compress(data, preset=0), ".zst": zstd,
    ".zip": lambda data: zipped(**{"deep/ratings__csv": data}),
}  # fmt: skip


@pytest.mark.parametrize("suffix", PACKERS)
def test_every_compression_gives_the_same_rows(
    con: duckdb.DuckDBPyConnection, folder: Path, suffix: str
) -> None:
    (folder / f"ratings.csv{suffix}").write_bytes(PACKERS[suffix]((RATINGS + "1,2,3.5,100000000\n").encode()))
    land_now(con, folder)
    assert raw_ratings(con) == [("1", "2", "3.5", "100000000")]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_truncated_file_is_named_with_its_line(
    con: duckdb.DuckDBPyConnection, folder: Path, suffix: str
) -> None:
    packed = PACKERS[suffix](LONG.encode())
    (folder / f"ratings.csv{suffix}").write_bytes(packed[: len(packed) * 9 // 10])
    with pytest.raises(
        NightError, match=r"looks truncated: its \w+ content breaks off behind line \d\d,\d{3}"
    ):
        land_now(con, folder)


def test_a_truncated_small_gzip_is_named(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-300])
    with pytest.raises(NightError, match="looks truncated"):
        land_now(con, folder)


def test_a_zip_may_hold_leavings_of_macos(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.zip").write_bytes(
        zipped(**{"ratings__csv": GOOD.encode(), "__MACOSX/._ratings__csv": b"x", "__DS_Store": b"x"})
    )
    land_now(con, folder)
    assert rows(con, "select count(*) from raw_ratings") == [(2000,)]


def _encrypted() -> bytes:
    data = bytearray(zipped(a__csv=GOOD.encode()))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + flags] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(a__csv=b"x", b__csv=b"x"), "a zip archive of 2 files: a.csv, b.csv; one was expected"),
        (zipped(**{"[Content_Types]__xml": b"x", "xl/workbook__xml": b"x"}), "an Excel workbook"),
        (zipped(), "an empty zip archive"),
        (zipped(a__csv=GOOD.encode())[:-30], "looks truncated"),
        (_encrypted(), "encrypted"),
        (zipped(a__csv=gzip.compress(GOOD.encode())), "holds gzip inside zip"),
    ],
    ids=["two files", "xlsx", "empty", "truncated", "encrypted", "nested"],
)
def test_a_zip_of_anything_but_one_text_is_refused(
    con: duckdb.DuckDBPyConnection, folder: Path, content: bytes, words: str
) -> None:
    (folder / "ratings.csv.zip").write_bytes(content)
    with pytest.raises(NightError, match=words) as caught:
        land_now(con, folder)
    assert caught.value.hint


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_that_unpacks_far_too_much_is_refused(
    con: duckdb.DuckDBPyConnection, folder: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(unpack, "_FREE", 1000)
    bomb = RATINGS.encode() + b"1,2,3,100000000\n" * 100_000
    (folder / f"ratings.csv{suffix}").write_bytes(PACKERS[suffix](bomb))
    with pytest.raises(NightError, match="unpacks to more than 200 times its size"):
        land_now(con, folder)
