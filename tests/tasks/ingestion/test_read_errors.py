"""Errors that may pass by themselves, and errors that need an operator."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb
import pytest

from tasks.errors import NightError, TransientError
from tasks.ingestion.read_errors import read_error

PASSING = [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOENT]
STAYING = [errno.ENOSPC, errno.EACCES, errno.EISDIR]


@pytest.mark.parametrize("number", PASSING + STAYING, ids=errno.errorcode.get)
def test_kind_of_error_by_number(number: int) -> None:
    error = read_error(Path("in/ratings.csv"), OSError(number, os.strerror(number)))
    assert type(error) is (TransientError if number in PASSING else NightError)
    assert "in/ratings.csv" in str(error)
    assert error.hint


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOSPC], ids=errno.errorcode.get)
def test_kind_of_error_by_duckdb_message(number: int) -> None:
    words = f'Could not read from file "in/ratings.csv": {os.strerror(number)}'
    error = read_error(Path("in/ratings.csv"), duckdb.IOException(words))
    assert type(error) is (NightError if number == errno.ENOSPC else TransientError)


def test_other_errors_mean_a_damaged_file() -> None:
    error = read_error(Path("in/ratings.csv.gz"), ValueError())
    assert type(error) is NightError
    assert "damaged or incomplete: ValueError" in str(error)


@pytest.mark.parametrize(
    "error",
    [EOFError(), OSError("Truncated compressed stream"), EOFError("ended before the end-of-stream marker")],
)
def test_an_early_end_means_a_truncated_file(error: Exception) -> None:
    assert "looks truncated" in str(read_error(Path("in/ratings.csv.zst"), error))
