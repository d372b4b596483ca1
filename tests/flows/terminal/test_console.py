"""Progress of a night in a log and in a window; readers that leave."""

import io
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from flows.terminal.console import TIME_FORMAT, Terminal, make_console
from tasks.errors import NightError


def lines_of(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_log_gets_one_line_per_stage_and_no_bars() -> None:
    console = Console(file=io.StringIO(), width=80)
    with Terminal(console) as terminal:
        terminal.started("fit", "als")
        terminal.advanced("fit", "als", 3, 15)
        terminal.finished("fit", "als", 1.26, "[128 factors]")
        terminal.started("publish", None)
        terminal.failed("fit", "mf", FloatingPointError("diverged"))
        terminal.failed("publish", None, NightError("The disk is full.", "Free some."))
    assert [line[21:] for line in lines_of(console)] == [
        "✓ fit als                     1.3 s  [128 factors]",
        "✗ fit mf                  FloatingPointError: diverged",
        "✗ publish                 ",
    ]
    assert all(datetime.strptime(line[:21], f"{TIME_FORMAT}  ") for line in lines_of(console))


class Window(io.StringIO):
    """An output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "columns", "cut"),
    [(io.StringIO, None, False), (io.StringIO, "60", True), (Window, None, True), (Window, "60", True)],
)
def test_only_a_window_cuts_tables(
    monkeypatch: pytest.MonkeyPatch, out: type[io.StringIO], columns: str | None, cut: bool
) -> None:
    """A log of cron has no second chance: text that is cut there is lost."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout", out())
    console = make_console()
    table = Table("x" * 300)
    table.add_row("y" * 300)
    console.print(table)
    assert ("y" * 300 not in console.file.getvalue()) == cut  # type: ignore[attr-defined]


def test_a_window_shows_the_progress_of_a_stage() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Terminal(console) as terminal:
        terminal.started("fit", "als")
        terminal.advanced("fit", "als", 3, 15)
        terminal._bars.refresh()
        assert "3/15" in console.file.getvalue()  # type: ignore[attr-defined]
        terminal.advanced("fit", "late", 1, 2)  # a report from a stage that has ended is no error


PRINTS = "from flows.terminal.console import out\nfor n in range(100_000): out.print(n)"
WORKS = """
import sys
from flows.terminal.console import Terminal, out, print_error
from tasks.errors import NightError
with Terminal(out) as terminal:
    for n in range(20_000):
        terminal.line("x", "fit", n, "")
print_error(NightError("All was done."))
sys.exit(7)
"""


@pytest.mark.parametrize(
    ("program", "code", "printed"),
    [(PRINTS, 141, ""), (WORKS, 7, "Error: All was done.\n")],
    ids=["prints", "works"],
)
@pytest.mark.slow
def test_a_closed_pipe_ends_only_a_command_that_prints(program: str, code: int, printed: str) -> None:
    root = Path(__file__).parents[3]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == printed
        assert process.wait(timeout=30) == code


def test_errors_that_nobody_reads_keep_the_exit_code() -> None:
    root = Path(__file__).parents[3]
    recs = f"{sys.executable} -c 'from flows.cli.app import main; main()'"
    command = f"{recs} run --models '' 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "")
