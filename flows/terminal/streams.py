"""stdout and stderr that never stop a night: any encoding, closed from the start, or not writable any more."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import io
import os
import sys
import unicodedata
from typing import IO, Any

_PLAIN = {
    "✓": "ok", "✗": "failed", "★": "*", "·": "*", "•": "*", "→": "->", "←": "<-", "×": "x", "÷": "/", "½": "1/2",
    "−": "-", "‐": "-", "‑": "-", "–": "-", "—": "-", "…": "...", "≤": "<=", "≥": ">=", "±": "+-",
    "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‹": "'", "›": "'",
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ı": "i", "€": "EUR", "£": "GBP",
}  # fmt: skip
_ERRORS = "nightly-recs-plain"


def prepare_streams() -> None:
    """Open those of stdin, stdout and stderr that are closed, and let both outputs print what they cannot encode.

    A file that is opened later would otherwise become file 1 or 2, and receive what libraries print.
    """
    codecs.register_error(_ERRORS, in_plain_characters)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(
                os.open(os.devnull, os.O_RDWR), True
            )  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that a stream cannot encode by ASCII ones that look alike, or by question marks.

    An error handler of `codecs.register_error`.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    alike = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _PLAIN.get(character) or alike or "?"


def flush_streams() -> None:
    """Flush both outputs. One that cannot be written is redirected to /dev/null: flushing at exit must not fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            silence(stream)


def end_stderr_at_exit() -> None:
    """Let stderr end when the exit handlers that are registered after this call have run.

    DuckDB's bindings complain there of leaked types whenever Python happens to tear down its modules in another order.
    """
    atexit.register(_end_stderr)


def _end_stderr() -> None:
    flush_streams()
    with contextlib.suppress(OSError, ValueError):  # closed meanwhile, or no file
        silence(sys.stderr)


def silence(stream: IO[str]) -> None:
    """Redirect a stream to /dev/null."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)


class UnreliableStream:
    """A stream whose every failure is a BrokenPipeError, the one that rich hands to `Console.on_broken_pipe`.

    Its `errno` tells a full disk or a vanished terminal from a reader that has ended.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text to the stream."""
        try:
            return self._stream.write(text)
        except OSError as error:
            raise _as_broken_pipe(error) from error

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            raise _as_broken_pipe(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _as_broken_pipe(error: OSError) -> BrokenPipeError:
    return BrokenPipeError(error.errno, error.strerror)
