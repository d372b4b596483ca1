"""Which errors may pass by themselves, and which need somebody."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb
import pytest

from tasks.errors import NightError, TransientError
from tasks.ingestion.read_errors import reading_fault

PASSING = [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOENT]
STAYING = [errno.ENOSPC, errno.EACCES, errno.EISDIR]


@pytest.mark.parametrize("number", PASSING + STAYING, ids=errno.errorcode.get)
def test_by_number(number: int) -> None:
    fault = reading_fault(Path("in/ratings.csv"), OSError(number, os.strerror(number)))
    assert type(fault) is (TransientError if number in PASSING else NightError)
    assert "in/ratings.csv" in str(fault)
    assert fault.hint


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOSPC], ids=errno.errorcode.get)
def test_by_the_words_of_the_database(number: int) -> None:
    words = f'Could not read from file "in/ratings.csv": {os.strerror(number)}'
    fault = reading_fault(Path("in/ratings.csv"), duckdb.IOException(words))
    assert type(fault) is (NightError if number == errno.ENOSPC else TransientError)


def test_what_is_no_fault_of_the_disk_is_the_files() -> None:
    fault = reading_fault(Path("in/ratings.csv.gz"), EOFError())
    assert type(fault) is NightError
    assert "damaged or incomplete: EOFError" in str(fault)
