"""The benchmark of publication on few rows, on both kinds of database."""

import re
import sys

import pytest

from benchmarks import publication
from benchmarks.command import refuse_bad_input

LINE = re.compile(
    r"load_per_s=(\d+) bare_per_s=(\d+) share=(\S+) with_keys_per_s=(\d+) peak_mb=(\d+) "
    r"login_p50_ms=(\S+) login_p99_ms=(\S+) floor_p50_ms=(\S+) floor_p99_ms=(\S+)"
)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_all_figures_are_measured(kind, request, monkeypatch, capsys) -> None:
    few = ["--users", "300", "--items", "50", "--n", "20", "--readers", "2", "--seconds", "1"]
    if kind == "postgresql":
        from tests.tasks.postgres_server import new_schema  # noqa: PLC0415

        few += ["--url", new_schema(request.getfixturevalue("postgres"))]
    monkeypatch.setattr(sys, "argv", ["publication", "--on", kind, *few])
    refuse_bad_input(publication.main)
    printed = capsys.readouterr().out
    figures = [float(figure) for figure in LINE.fullmatch(printed.splitlines()[-1]).groups()]
    assert all(figure > 0 for figure in figures)
    assert "logins a second, the slowest" in printed
