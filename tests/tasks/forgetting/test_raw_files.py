"""Rows leave input files of every format; all other bytes of a text stay as they were."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.artifacts import IdType
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tasks.forgetting.raw_files import count_rows, remove_rows
from tasks.forgetting.subject import Subject, subject_of
from tasks.ingestion.input_files import find_input_files
from tests.tasks.inputs import LENIENT, LINKS, MOVIES, RATINGS, RELATIONS

AT = "100000000"
BEFORE = f"{RATINGS}42,1,3,{AT}\n7,42,4,{AT}\n042,1,3,{AT}\n421,1,3,{AT}\n42.0,2,5,{AT}\n7,9,1,{AT}\n"
AFTER = f"{RATINGS}7,42,4,{AT}\n421,1,3,{AT}\n7,9,1,{AT}\n"


def subject(users: list = (), items: list = (), ids: IdType = "BIGINT") -> Subject:
    return subject_of(users, items, (ids, ids), LENIENT)


def removed(folder: Path, who: Subject, settings: DataSettings = LENIENT) -> dict[str, int]:
    """Remove the subject from all files; the search before counts the same rows, and the one after none."""
    files = find_input_files(folder, settings)
    counted = {file.path: count_rows(file, settings, who) for file in files}
    done = {file.path: remove_rows(file, settings, who) for file in files}
    assert counted == done
    for file in find_input_files(folder, settings):
        assert count_rows(file, settings, who) == 0
    return done


def zipped(path: Path, text: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("export/ratings.csv", text)


def zstd(path: Path, text: bytes) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(text)


def read_zstd(path: Path) -> bytes:
    with pa.input_stream(str(path), compression="zstd") as file:
        return file.read()


def unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("export/ratings.csv")


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        ("ratings.csv", Path.write_bytes, Path.read_bytes),
        ("ratings.csv.gz", lambda p, b: p.write_bytes(gzip.compress(b)), lambda p: gzip.decompress(p.read_bytes())),
        ("ratings.csv.bz2", lambda p, b: p.write_bytes(bz2.compress(b)), lambda p: bz2.decompress(p.read_bytes())),
        ("ratings.csv.xz", lambda p, b: p.write_bytes(lzma.compress(b)), lambda p: lzma.decompress(p.read_bytes())),
        ("ratings.csv.zst", zstd, read_zstd),
        ("ratings.csv.zip", zipped, unzipped),
    ],
)  # fmt: skip
def test_any_packing_stays_as_it_is(
    folder: Path, name: str, write: Callable[[Path, bytes], object], read: Callable[[Path], bytes]
) -> None:
    write(folder / name, BEFORE.encode())
    assert removed(folder, subject([42])) == {name: 3}
    assert read(folder / name) == AFTER.encode()
    assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\ufeff" + BEFORE, "\ufeff" + AFTER),
        (BEFORE.replace("\n", "\r\n"), AFTER.replace("\n", "\r\n")),
        (BEFORE.replace(",", ";"), AFTER.replace(",", ";")),
        (BEFORE.replace(",", "\t"), AFTER.replace(",", "\t")),
        (BEFORE.replace(",", "::"), AFTER.replace(",", "::")),
        (BEFORE.rstrip("\n"), AFTER.rstrip("\n")),
        (f'{RATINGS}"42",1,3,{AT}\n"7",1,3,{AT}\n', f'{RATINGS}"7",1,3,{AT}\n'),
        (f"{RATINGS}42,1\n7,1\n8,1,3,{AT}\n", f"{RATINGS}7,1\n8,1,3,{AT}\n"),
    ],
)
def test_all_other_text_stays_byte_by_byte(folder: Path, before: str, after: str) -> None:
    path = folder / "ratings.csv"
    path.write_bytes(before.encode())
    path.chmod(0o640)
    assert removed(folder, subject([42]))["ratings.csv"] > 0
    assert path.read_bytes() == after.encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_in_another_encoding_keeps_it(folder: Path) -> None:
    text = f"userId,movieId,tag,timestamp\nJosé,1,café,{AT}\nZoë,1,süß,{AT}\n"
    settings = DataSettings(max_reject_share=1, tags={"encoding": "latin-1"})
    folder.joinpath("tags.csv").write_bytes(text.encode("latin-1"))
    assert removed(folder, subject(["José"], ids="TEXT"), settings) == {"tags.csv": 1}
    assert folder.joinpath("tags.csv").read_bytes() == "".join(
        line for line in text.splitlines(keepends=True) if "José" not in line
    ).encode("latin-1")


def test_a_quoted_value_over_several_lines_goes_as_a_whole(folder: Path) -> None:
    rows = [
        f'42,1,"two\nlines, 7",{AT}\n',
        f'7,1,"""42""\n42,42",{AT}\n',
        f'8,1,"broken,{AT}\n',
        f"9,1,x,{AT}\n",
    ]
    folder.joinpath("tags.csv").write_text("userId,movieId,tag,timestamp\n" + "".join(rows))
    assert removed(folder, subject([42])) == {"tags.csv": 1}
    assert folder.joinpath("tags.csv").read_text() == "userId,movieId,tag,timestamp\n" + "".join(rows[1:])


def test_ids_with_quotes_and_separators_are_found(folder: Path) -> None:
    folder.joinpath("ratings.csv").write_text(f'{RATINGS}"O""Neil, Ann",1,3,{AT}\nAnn,1,3,{AT}\n')
    assert removed(folder, subject(['O"Neil, Ann'], ids="TEXT")) == {"ratings.csv": 1}
    assert folder.joinpath("ratings.csv").read_text() == f"{RATINGS}Ann,1,3,{AT}\n"


def test_items_friends_and_relations_are_found(folder: Path) -> None:
    folder.joinpath("ratings.csv").write_text(f"{RATINGS}1,17,3,{AT}\n17,1,3,{AT}\n")
    folder.joinpath("movies.csv").write_text(f"{MOVIES}17,Seventeen,Drama\n1,One,Drama\n")
    folder.joinpath("links.csv").write_text(f"{LINKS}1,42,1,{AT}\n1,17,1,{AT}\n")
    folder.joinpath("relations.csv").write_text(f"{RELATIONS}item:17,by,Ada\n17,by,Ada\nitem:1,by,42\n")
    assert removed(folder, subject([42], [17])) == {
        "ratings.csv": 1, "movies.csv": 1, "links.csv": 1, "relations.csv": 1,
    }  # fmt: skip
    assert folder.joinpath("relations.csv").read_text() == f"{RELATIONS}17,by,Ada\nitem:1,by,42\n"


@pytest.mark.parametrize(
    "kind", [pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_parquet_keeps_its_schema_and_packing(folder: Path, kind: pa.DataType) -> None:
    users = [42, 7, 42, None]
    values = (
        [None if u is None else str(u) for u in users]
        if pa.types.is_string(kind) or pa.types.is_dictionary(kind)
        else users
    )
    table = pa.table({
        "userId": pa.array(values, kind), "movieId": [1, 42, 3, 4], "rating": [1.0, 2.0, 3.0, 4.0],
        "timestamp": [10**8] * 4, "extra": [["a"], [], None, ["b"]],
    })  # fmt: skip
    path = folder / "ratings.parquet"
    pq.write_table(table, path, compression="zstd")
    assert removed(folder, subject([42])) == {"ratings.parquet": 2}
    assert pq.read_table(path).equals(table.take([1, 3]))
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_file_without_a_row_left_is_deleted(folder: Path) -> None:
    for user in (42, 7):
        part = folder / "ratings" / f"userId={user}" / "part-0.csv"
        part.parent.mkdir(parents=True)
        part.write_text(f"movieId,rating,timestamp\n1,3,{AT}\n")
    assert removed(folder, subject([42])) == {
        "ratings/userId=42/part-0.csv": 1, "ratings/userId=7/part-0.csv": 0,
    }  # fmt: skip
    assert not (folder / "ratings" / "userId=42" / "part-0.csv").exists()


def test_a_file_that_names_nobody_is_not_touched(folder: Path) -> None:
    path = folder / "ratings.csv"
    path.write_text(BEFORE)
    before = path.stat()
    assert removed(folder, subject([5])) == {"ratings.csv": 0}
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_damaged_file_stays_as_it_was(folder: Path) -> None:
    path = folder / "ratings.csv.gz"
    path.write_bytes(gzip.compress(BEFORE.encode() * 50)[:-20])
    damaged = path.read_bytes()
    [file] = find_input_files(folder, LENIENT)
    with pytest.raises((NightError, EOFError)):
        remove_rows(file, LENIENT, subject([42]))
    assert path.read_bytes() == damaged
    assert [each.name for each in folder.iterdir()] == ["ratings.csv.gz"]
