"""Look at the input of a first night before anything starts: the files, their headers, and what can be a like."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from itertools import groupby, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.config.settings import Settings
from tasks.errors import NightError, UsageError
from tasks.ingestion.first_bytes import is_parquet
from tasks.ingestion.increments import find_increments
from tasks.ingestion.input_files import InputFile, check_input_folder
from tasks.ingestion.input_warnings import nothing_is_liked
from tasks.ingestion.json_lines import columns_of_json
from tasks.ingestion.read_file import check_columns, reading_of, text_options
from tasks.ingestion.text_format import text_format
from tasks.ingestion.unpack import read_head

_FILES_OF_A_SOURCE = 5
"""How many files of a source are looked into: those of a folder have the same columns as a rule."""


def check_input(folder: Path, settings: Settings) -> None:
    """Raise unless a first night could start from this folder. Reads the first bytes of a few files only.

    Raises:
        UsageError: no such folder, no interactions in it, a file that settings name is missing, a file lacks its header
            or a column, or nothing in the data can be a like.
    """
    increments = find_increments(folder, settings.data, set()).files if folder.is_dir() else []
    files = check_input_folder(folder, settings.data, increments)
    sources = {file.source for file in files}
    for _, of_source in groupby(files, key=lambda file: file.source):
        for file in islice(of_source, _FILES_OF_A_SOURCE):
            _check_header(file, settings)
    event, utility = settings.data.events.constant_event, settings.utility
    others = {"ratings", "tags"} if utility.positive_tags else {"ratings"}
    if event and not sources & others and event not in utility.positive_events:
        raise nothing_is_liked(event, event, utility)


def _check_header(file: InputFile, settings: Settings) -> None:
    """Raise a UsageError of the file's columns. Whether it can be read at all, the night says."""
    reading = reading_of(settings.data, file.source, file.path, deletes=file.deletes)
    try:
        container, head = read_head(file.location)
        if container == "plain" and is_parquet(head):
            check_columns(file, pq.read_schema(file.location).names, reading)
        elif reading.format == "json_lines":
            check_columns(file, columns_of_json(file.location, head), reading)
        else:
            how = text_format(file.location, text_options(file, reading), container, head)
            check_columns(file, how.header, reading)
    except UsageError:
        raise
    except (
        NightError, OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
        NotImplementedError, pa.ArrowException,
    ):  # fmt: skip
        return
