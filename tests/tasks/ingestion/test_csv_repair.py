"""Repair of CSV: valid records are kept as they are, lines with broken quotes are returned, nothing else is lost."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.ingestion.csv_repair import MAX_LINES, BrokenLine, repair_csv
from tests.examples import examples

HEADER = "a,b\n"
cells = st.text(st.sampled_from('x"\n, é'), min_size=1, max_size=6)


def records(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [record for record in csv.reader(file, strict=True) if record]


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_a_valid_file_loses_nothing(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([("a", "b"), *table])
    text.seek(0)
    assert repair_csv(text, tmp_path / "copy.csv", ",") == []
    assert records(tmp_path / "copy.csv") == [["a", "b"], *map(list, table)]


@pytest.mark.parametrize(
    ("lines", "broken", "kept"),
    [
        ('"1,2\n3,4\n', [BrokenLine(2, '"1,2')], [["3", "4"]]),
        ('1,"2\n3,4', [BrokenLine(2, '1,"2')], [["3", "4"]]),
        ('"1" x,2\n3,4\n', [BrokenLine(2, '"1" x,2')], [["3", "4"]]),
        ('"1,2\n"3,4\n5,6\n', [BrokenLine(2, '"1,2'), BrokenLine(3, '"3,4')], [["5", "6"]]),
        ('"1,2\n3,"4"\n', [BrokenLine(2, '"1,2')], [["3", "4"]]),
        ('"1\n2",3\n"4,5\n', [BrokenLine(3, '"4,5')], [["1\n2", "3"]]),
        ('"1\n2",3,4\n5,6\n', [BrokenLine(2, '"1')], [['2"', "3", "4"], ["5", "6"]]),
        ('1"2,3\n', [], [['1"2', "3"]]),
    ],
)
def test_broken_lines_are_returned(
    tmp_path: Path, lines: str, broken: list[BrokenLine], kept: list[list[str]]
) -> None:
    assert repair_csv(io.StringIO(HEADER + lines, newline=""), tmp_path / "copy.csv", ",") == broken
    assert records(tmp_path / "copy.csv")[1:] == kept


def test_a_value_of_too_many_lines_is_an_open_quote(tmp_path: Path) -> None:
    fits, too_long = "\n" * MAX_LINES, "\n" * (MAX_LINES + 1)
    assert repair_csv(io.StringIO(f'a,b\n"{fits}",2\n', newline=""), tmp_path / "copy.csv", ",") == []
    broken = repair_csv(io.StringIO(f'a,b\n"{too_long}",2\n', newline=""), tmp_path / "copy.csv", ",")
    assert broken[0] == BrokenLine(2, '"')
