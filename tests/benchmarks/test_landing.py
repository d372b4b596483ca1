"""The landing benchmark on few rows."""

from __future__ import annotations

import re
import sys

import duckdb
import pytest

from benchmarks import intake, landing

WHOLE = r"land_s=\d+\.\d\d clean_s=\d+\.\d\d ours_s=\d+\.\d\d bare_s=\d+\.\d\d ratio=\d+\.\d\d"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(landing, "SETTLED", 0)


def test_layouts_and_the_whole_folder_are_measured(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["landing", "--rows", "1000", "--files", "5", "--repeats", "1"])
    landing.main()
    *_, more, last = capsys.readouterr().out.splitlines()
    figures = r"files=1 rows=10 ours_s=\d+\.\d\d bare_s=\d+\.\d\d share=\d+\.\d{3}"
    assert re.fullmatch(figures, more)
    assert re.fullmatch(WHOLE, last)


def test_whole_folder_alone_is_measured(benchmark, tmp_path):
    ratings = "userId,movieId,rating,timestamp\n" + "".join(
        f"{user},{item},4.0,{1_600_000_000 + user}\n" for user in range(1, 9) for item in range(1, 6)
    )
    (tmp_path / "ratings.csv").write_text(ratings)
    last = benchmark(landing.main, "--whole", "--repeats", "1", "--folder", str(tmp_path))
    assert re.fullmatch(WHOLE, last)


def test_rows_of_all_three_files_are_counted(tmp_path):
    (tmp_path / "ratings.csv").write_text("rating\n4\n")
    (tmp_path / "events.csv").write_text("value\nnot a number\n")
    with pytest.raises(duckdb.BinderException, match="sum"):
        intake.bare_count(tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--more", "0", "--more is 0.0"),
        ("--folder", "nowhere", "There is no nowhere/ratings.csv"),
        ("--repeats=1", "--whole", "--whole needs --folder"),
    ],
)
def test_bad_input_is_refused(refused, option, value, said):
    code, error = refused(landing.main, option, value)
    assert (code, said in error) == (2, True)
