"""Values become JSON: dataclasses, tuples, times, and numbers that JSON does not know."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from flows.terminal.json_output import plain, print_json


class Pair(NamedTuple):
    a: int
    b: float


@dataclass
class Whole:
    pairs: tuple[Pair, ...]
    at: datetime
    where: Path


def test_nested_values_become_plain() -> None:
    whole = Whole((Pair(1, float("nan")), Pair(2, 0.5)), datetime(2026, 1, 31, tzinfo=UTC), Path("a/b"))
    assert plain(whole) == {
        "pairs": [{"a": 1, "b": None}, {"a": 2, "b": 0.5}],
        "at": "2026-01-31T00:00:00+00:00",
        "where": "a/b",
    }
    assert plain({1: np.float32(2), "x": np.int64(3), "inf": np.inf}) == {"1": 2.0, "x": 3, "inf": None}


def test_long_text_stays_in_one_document() -> None:
    console = Console(file=io.StringIO(), width=40)
    text = "[bold]" + "x" * 200 + "é"
    print_json(console, [text])
    assert json.loads(console.file.getvalue()) == [text]  # type: ignore[attr-defined]
