"""File names: which can be input, which hold no data, and why others are left out."""

from __future__ import annotations

import pytest

from tasks.ingestion.file_names import (
    holds_no_data,
    is_partition,
    named_separator,
    partition_values,
    stem,
    why_unread,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ratings.csv", "ratings"),
        ("Ratings.CSV.GZ", "Ratings"),
        ("ratings.dat", "ratings"),
        ("ratings.zip", "ratings"),
        ("u.data", "u"),
        ("part-0.c000.snappy.parquet", "part-0.c000"),
        ("ratings", None),
        ("ratings.json", None),
        ("ratings.tar.gz", None),
        ("ratings.json.gz", None),
        (".csv", None),
    ],
)
def test_stem_is_none_unless_the_format_is_readable(name: str, expected: str | None) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "_SUCCESS", "._SUCCESS.crc", ".part-0.csv.crc", "_committed_12", "_metadata", ".DS_Store", "Thumbs.db",
        "__MACOSX", "desktop.ini", "ratings.csv~", ".ratings.csv.swp", "~$ratings.xlsx", "#ratings.csv#",
        ".~lock.ratings.csv#", "README.txt", "LICENSE", "ratings.csv.md5",
    ],
)  # fmt: skip
def test_markers_and_leavings_hold_no_data(name: str) -> None:
    assert holds_no_data(name)


@pytest.mark.parametrize("name", ["ratings.csv", "part-00000", "readme_ratings.csv", "_ratings.csv", "x.7z"])
def test_other_files_may_hold_data(name: str) -> None:
    assert not holds_no_data(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x.7z", "unpack it"),
        ("x.tar.gz", "unpack it"),
        ("x.jsonl.gz", "JSON"),
        ("x.XLSX", "spreadsheet"),
        ("x.csv.part", "unfinished"),
        ("x.csv.bak", "backup"),
        ("x.feather", "neither CSV nor Parquet"),
        ("x.item", "format is not known"),
    ],
)
def test_the_reason_for_an_unreadable_file(name: str, why: str) -> None:
    assert why in why_unread(name)


def test_a_readable_name_has_no_reason() -> None:
    assert why_unread("x.csv.zst") == ""


@pytest.mark.parametrize(
    ("name", "separator"), [("a.csv", ","), ("a.TSV.gz", "\t"), ("a.psv", "|"), ("a.dat", ""), ("a.zip", "")]
)
def test_the_separator_of_a_suffix(name: str, separator: str) -> None:
    assert named_separator(name) == separator


def test_folders_of_hive_give_values() -> None:
    assert partition_values("events/event=view%20it/date=2024-01-01/a=b.csv") == {
        "event": "view it",
        "date": "2024-01-01",
    }
    assert partition_values("events/event=__HIVE_DEFAULT_PARTITION__/a.csv") == {"event": ""}


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("date=2024-01-01", True), ("2024", True), ("2024-01", True), ("old", False), ("=x", False)],
)
def test_partitions_are_values_or_dates(name: str, is_one: bool) -> None:
    assert is_partition(name) == is_one
