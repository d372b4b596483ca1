"""Read a file of JSON lines, one object a line, into the temporary table `incoming`: each value as text."""

from __future__ import annotations

import glob
import json
import shutil
import tempfile
from pathlib import Path

import duckdb

from tasks.errors import NightError
from tasks.ingestion.first_bytes import SIZE, Container
from tasks.ingestion.read_errors import is_broken_off, truncated
from tasks.ingestion.unpack import open_unpacked
from tasks.storage.warehouse import run_file

_FROM_PYTHON = (
    "python -c 'import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin]' "
    "< FILE > NEW.json"
)


def columns_of_json(path: Path, head: bytes) -> tuple[str, ...]:
    """Return the keys of the objects in the first bytes of a file, in the order in which they appear.

    Args:
        path: the file.
        head: its first bytes, unpacked.

    Raises:
        NightError: it is empty, or no line of `head` is a JSON object.
    """
    if not head.strip():
        raise NightError(f"{path} is empty.", "Deliver it again, or take it away.")
    lines = head.decode("utf-8-sig", "replace").splitlines()
    if len(head) >= SIZE and len(lines) > 1:
        lines = lines[:-1]  # it is cut
    found: dict[str, None] = {}
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.update(dict.fromkeys(value))
    if not found:
        first = next(line for line in lines if line.strip())
        is_python = first.lstrip().startswith(("{'", "{u'"))
        raise NightError(
            f"{path} holds no JSON object a line: it begins with {first[:80]!r}.",
            f"These are Python literals; convert them: {_FROM_PYTHON}"
            if is_python
            else "Deliver one object a line, or set the format of its source to auto if it is CSV or Parquet.",
        )
    return tuple(found)


def read_json_lines(
    con: duckdb.DuckDBPyConnection, path: Path, container: Container, columns: dict[str, str]
) -> None:
    """Fill the temporary tables `incoming` and `rejected_lines` from a file of JSON lines in UTF-8.

    A line that is no JSON object is rejected. An empty line is passed over.

    Args:
        con: the warehouse.
        path: the file.
        container: its compression.
        columns: the names that `incoming` has for the file's keys; those that begin with `ignored_` are not read.

    Raises:
        NightError: the file breaks off, or is not UTF-8.
        duckdb.Error, OSError, EOFError: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder:
        place = path
        if container != "plain":
            place = Path(folder, "copy.json")
            _unpack(path, container, place)
        try:
            run_file(con, "warehouse/land/read_json_lines.sql", path=glob.escape(str(place)))
        except duckdb.InvalidInputException as error:
            if "utf-8" not in str(error).lower():
                raise
            raise NightError(
                f"{path} is not UTF-8, as JSON is.", "Convert it: iconv -f CHARSET -t UTF-8"
            ) from error
    last = con.execute("select line, raw from rejected_lines order by line desc limit 1").fetchall()
    if last and _ends_with(path, container, last[0][1]):
        raise truncated(path, f"line {last[0][0]:,}, its last, is no whole JSON object and has no line end")
    values = [
        duckdb.FunctionExpression(
            "json_extract_string",
            duckdb.ColumnExpression("body"),
            duckdb.ConstantExpression(_pointer(theirs)),
        ).alias(ours)
        for theirs, ours in columns.items()
        if not ours.startswith("ignored_")
    ]
    con.table("json_lines").select(*values).create_view("json_values", replace=True)
    con.execute("create or replace temp table incoming as from json_values")
    con.execute("drop view json_values")
    con.execute("drop table json_lines")


def _pointer(key: str) -> str:
    """Return the place of a key in an object, as RFC 6901 writes it."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _unpack(path: Path, container: Container, place: Path) -> None:
    with open_unpacked(path, container) as data, place.open("wb") as copy:
        try:
            shutil.copyfileobj(data, copy, 1 << 20)
        except (EOFError, OSError) as error:
            if not is_broken_off(error):
                raise
            raise truncated(path, f"its {container} content breaks off") from error


def _ends_with(path: Path, container: Container, raw: str) -> bool:
    """Return whether a file's last line is `raw` and has no line end."""
    last = b""
    with open_unpacked(path, container) as data:
        while block := data.read(1 << 20):
            last = (last + block)[-(1 << 20) :]
    return not last.endswith((b"\n", b"\r")) and last.decode("utf-8", "replace").endswith(raw)
