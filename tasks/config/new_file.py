"""Write a settings file for a new folder: the shipped `pipeline.toml`, with some values in place of the defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from tasks.config.load import DEFAULT_FILE, load_settings
from tasks.errors import UsageError

SHIPPED = Path(__file__).resolve().parents[2] / "pipeline.toml"
"""Every setting with its default and a comment."""
_TABLE = re.compile(r"^\[(?P<name>[^\[\]]+)\]")

Values = Mapping[str, Mapping[str, str | list[str]]]
"""Table, such as `data.ratings` → key → value."""


def write_settings_file(folder: Path, values: Values, *, force: bool = False) -> Path:
    """Write `pipeline.toml` into a folder, which is made if it is absent, and check that it can be read.

    Args:
        folder: where nights are to be started.
        values: in place of the defaults.
        force: replace a file that is there.

    Returns:
        The file.

    Raises:
        UsageError: there is a file already, or the folder cannot be written.
    """
    path = folder / DEFAULT_FILE
    if path.exists() and not force:
        raise UsageError(f"{path} is there already.", "Keep it, or write it anew: recs init --force")
    text = with_values(SHIPPED.read_text(encoding="utf-8"), values)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
    load_settings(path)
    return path


def with_values(text: str, values: Values) -> str:
    """Return the text of a settings file with some of its values replaced; its comments stay.

    Args:
        text: of a file that has a line for each of the keys.
        values: what to write.

    Raises:
        KeyError: the file has no line for one of them.
    """
    left = {(table, key): value for table, keys in values.items() for key, value in keys.items()}
    lines, table = text.splitlines(), ""
    for number, line in enumerate(lines):
        if header := _TABLE.match(line):
            table = header["name"]
            continue
        key, equals, rest = line.partition(" = ")
        if not equals or (table, key) not in left:
            continue
        written = f"{key} = {json.dumps(left.pop((table, key)), ensure_ascii=False)}"
        _, mark, comment = rest.partition("  #")
        lines[number] = f"{written:<32}#{comment}" if mark else written
    if left:
        raise KeyError(f"no line for {', '.join('.'.join(keys) for keys in left)}")
    return "\n".join(lines) + "\n"
