"""Search the bytes of an open SQLite database in a process of its own.

POSIX drops all locks that a process holds on a file as soon as it closes any descriptor of that file: a search of the
database's files beside an open connection would take away the connection's locks (sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PROGRAM = """
import pathlib, re, sys
content = pathlib.Path(sys.argv[1]).read_bytes()
print(any(re.search(bytes.fromhex(pattern), content) for pattern in sys.stdin.read().split()))
"""


def files_of_database(path: Path) -> list[Path]:
    """Return the file of a SQLite database and those that it keeps beside it, as far as they are there."""
    files = (path.with_name(path.name + end) for end in ("", "-wal", "-shm", "-journal"))
    return [file for file in files if file.is_file()]


def holds_any(path: Path, patterns: Sequence[bytes]) -> bool:
    """Return whether a file holds one of the patterns; this process does not open it.

    Args:
        path: the file.
        patterns: regular expressions of bytes to look for. They stand in no command line, which other users can read.

    Raises:
        OSError: the file cannot be read.
    """
    asked = "\n".join(pattern.hex() for pattern in patterns)
    done = subprocess.run(  # noqa: S603  (no part of it is a command)
        [sys.executable, "-I", "-c", _PROGRAM, str(path)],
        input=asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise OSError(f"{path} cannot be read: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip() == "True"
