"""Outputs that cannot encode a character, are closed, or cannot be written: nothing of this stops a command."""

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from flows.terminal.console import PipeConsole
from flows.terminal.streams import UnreliableStream, in_plain_characters
from tasks.errors import NightError

PRINT = """
import sys
from flows.terminal.streams import flush_streams, prepare_streams
prepare_streams()
from flows.terminal.console import Terminal, err, out
with Terminal(out) as terminal:
    terminal.finished("fit", None, 1.0, "Amélie 日本 → 5 × 3")
    terminal.finished("publish", None, 1.0, "\\udcff")
open("done", "w").close()
flush_streams()
"""
ROOT = Path(__file__).parents[3]
FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def run(folder: Path, redirection: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `PRINT` in a shell with a redirection; it must get to its end whatever happens to its output."""
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    root = Path(__file__).parents[3]
    command = f'PYTHONPATH="{root}" {variables} "{sys.executable}" -c "$0" {redirection}'
    done = subprocess.run(
        ["sh", "-c", command, PRINT],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
    assert (folder / "done").exists(), done.stderr
    assert done.returncode == 0
    return done


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "ok fit"), ("cp1252", "ok fit"), ("utf-8", "✓ fit"), ("latin-1", "ok fit")],
)
def test_characters_that_cannot_be_encoded_are_replaced(tmp_path: Path, encoding: str, shown: str) -> None:
    assert shown in run(tmp_path, "| cat", PYTHONIOENCODING=f"{encoding}:strict").stdout


def test_replacements_look_alike() -> None:
    text = "Amélie 日 → 5 × 3… ★ Rosemary’s “Baby” — Øre, Straße"
    error = UnicodeEncodeError("ascii", text, 0, len(text), "")
    plain = 'Amelie ? -> 5 x 3... * Rosemary\'s "Baby" - Ore, Strasse'
    assert in_plain_characters(error) == (plain, len(text))


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_outputs_stop_nothing(tmp_path: Path, redirection: str) -> None:
    run(tmp_path, redirection)


@needs_full_device
def test_a_full_disk_for_the_output_stops_nothing(tmp_path: Path) -> None:
    assert "cannot be written (No space left on device)" in run(tmp_path, f"> {FULL}").stderr
    run(tmp_path, f"> {FULL} 2> {FULL}")


def test_any_failing_write_is_a_broken_pipe() -> None:
    class Vanished(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(BrokenPipeError) as caught:
        UnreliableStream(Vanished()).write("x")
    assert caught.value.errno == errno.EIO


@needs_full_device
def test_a_command_that_only_prints_says_why_it_cannot() -> None:
    with (
        FULL.open("w") as file,
        pytest.raises(NightError, match="cannot be written: No space left on device"),
    ):
        PipeConsole(file=file).print("x")


def test_stderr_ends_after_later_exit_handlers() -> None:
    """Handlers run in reverse order: DuckDB's complaints come after all of them."""
    program = """
import atexit, os, sys
from flows.terminal.streams import end_stderr_at_exit
atexit.register(os.write, 2, b"complaint")
end_stderr_at_exit()
atexit.register(os.write, 2, b"the server has ended")
sys.stderr.write("an error")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert "complaint" not in done.stderr
    assert "an error" in done.stderr
    assert "the server has ended" in done.stderr
