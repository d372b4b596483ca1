"""What a person sees while a night runs."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from flows.console import Terminal, make_console
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
    assert lines_of(console) == [
        "✓ fit als                     1.3 s  [128 factors]",
        "✗ fit mf                  FloatingPointError: diverged",
        "✗ publish                 ",
    ]


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
    """What a log of cron lacks is lost."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout", out())
    console = make_console()
    table = Table("x" * 300)
    table.add_row("y" * 300)
    console.print(table)
    assert ("y" * 300 not in console.file.getvalue()) == cut  # type: ignore[attr-defined]


def test_a_terminal_sees_how_far_a_long_stage_is() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Terminal(console) as terminal:
        terminal.started("fit", "als")
        terminal.advanced("fit", "als", 3, 15)
        terminal._bars.refresh()
        assert "3/15" in console.file.getvalue()  # type: ignore[attr-defined]
        terminal.advanced("fit", "late", 1, 2)  # a report from a stage that has ended is no error
