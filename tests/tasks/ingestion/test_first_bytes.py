"""Formats by their first bytes: letters alone, with which a column's name may begin too, are not enough."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from tasks.ingestion.first_bytes import SIZE, container_of, foreign_format, is_parquet

_TABLE = pa.table({"userId": ["a", "b"] * 50, "rating": [1.5, 2.5] * 50})


@pytest.mark.parametrize(
    "start",
    [
        "PARENT_ID", "PARE", "ORCID", "ORC", "BZhId", "BZh9", "BZh91AY", "PAR1", "PAR1_id", "PKEY", "PK", "Object",
        "Obj", "SQLite format", "SQLi", "%PDF", "%PDF-share", "ARROW1", "FEA1", "FEATURE", "Rar!", "Rarity", "7z",
        "version https://git-lfs.github.com/spec/", "ÿþ", "þÿ", "(id", "{id}", "NUMPY", "HDF",
    ],
)  # fmt: skip
@pytest.mark.parametrize("separator", [",", "\t", "\x01", "\x1f"])
def test_letters_alone_are_text(start: str, separator: str) -> None:
    text = separator.join([start, "title", "genres"]) + "\n" + separator.join(["1", "A", "Drama"]) + "\n"
    head = text.encode()
    assert (container_of(head), is_parquet(head), foreign_format(head)) == ("plain", False, "")


def _written(path: Path, kind: str) -> bytes:
    if kind == "sqlite":
        with sqlite3.connect(path) as con:
            con.execute("create table t (x)")
        con.close()
    elif kind == "tar":
        with tarfile.open(path, "w") as archive:
            archive.addfile(tarfile.TarInfo("ratings.csv"), io.BytesIO())
    elif kind == "feather":
        feather.write_feather(_TABLE, path)
    else:
        orc.write_table(_TABLE, path, compression=kind)
    return path.read_bytes()[:SIZE]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("uncompressed", "an ORC file"),
        ("zlib", "an ORC file"),
        ("snappy", "an ORC file"),
        ("feather", "an Arrow (Feather) file"),
        ("sqlite", "an SQLite database"),
        ("tar", "a tar archive"),
    ],
)
def test_foreign_files_are_named(tmp_path: Path, kind: str, name: str) -> None:
    assert foreign_format(_written(tmp_path / "ratings.csv", kind)) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"PARE\x2c\x00\x00\x00\x9a\x81 and so on PARE", "an encrypted Parquet file"),
        (b"Obj\x01\x04\x16avro.schema\x92\x03{", "an Avro file"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
        (b"FEA1\x00\x00\x00\x00", "a Feather file"),
        ("ÿþu\0s\0".encode(), "UTF-16 that was converted to UTF-8 as if it were Latin-1"),
        (b'{"userId": 1}\n', "JSON"),
        (b'[{"userId": 1}]', "JSON"),
    ],
)
def test_foreign_beginnings_are_named(head: bytes, name: str) -> None:
    assert foreign_format(head) == name


@pytest.mark.parametrize("text", [b"", b"userId\n1\n"], ids=["empty", "text"])
def test_compressions_are_recognized(text: bytes) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ratings.csv", text)
    found = [
        container_of(content[:16])
        for content in (gzip.compress(text), bz2.compress(text), lzma.compress(text), packed.getvalue())
    ]
    assert found == ["gzip", "bzip2", "xz", "zip"]


@pytest.mark.parametrize("table", [_TABLE, _TABLE.slice(0, 0)], ids=["rows", "no row"])
def test_parquet_is_recognized_whole_and_cut(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    assert all(map(is_parquet, (whole, whole[:20], whole[:4], b"PAR1 no such thing PAR1")))
