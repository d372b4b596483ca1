"""The measurements of `make bench` and `make bench-full`: which benchmark, its arguments, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Measurement, measure
from benchmarks.generated import generated

MODELS = "popularity,item_knn,als"
QUICK_SCALE = 0.1
ML_25M = ("--users", "162541", "--items", "62423")


@dataclass(frozen=True)
class Step:
    """One measurement.

    Attributes:
        module: of benchmarks/, whose last line has the figures.
        full: its arguments at full size. `DATA` stands for the folder of the generated data set.
        full_s: seconds after which it is killed at full size.
        quick: its arguments in a quick run; None leaves it out.
        quick_s: seconds after which it is killed in a quick run.
    """

    module: str
    full: tuple[str, ...]
    full_s: float
    quick: tuple[str, ...] | None = None
    quick_s: float = 120


STEPS = {
    "generation": Step("benchmarks.generation", (), 600, ("--scale", str(QUICK_SCALE))),
    "landing": Step(
        "benchmarks.landing",
        ("--whole", "--folder", "DATA", "--repeats", "2"),
        900,
        ("--whole", "--folder", "DATA", "--repeats", "2"),
    ),
    "topn": Step("benchmarks.topn", ML_25M, 1800, ("--users", "20000", "--items", "10000")),
    "publication_sqlite": Step(
        "benchmarks.publication",
        ("--on", "sqlite"),
        600,
        ("--on", "sqlite", "--users", "20000", "--seconds", "5", "--readers", "4"),
    ),
    "publication_postgresql": Step(
        "benchmarks.publication",
        ("--on", "postgresql"),
        600,
        ("--on", "postgresql", "--users", "20000", "--seconds", "5", "--readers", "4"),
    ),
    "night": Step(
        "benchmarks.night",
        ("--folder", "DATA", "--models", MODELS),
        3600,
        ("--folder", "DATA", "--models", MODELS),
        420,
    ),
    "night_shelf": Step("benchmarks.night", ("--folder", "DATA"), 7200),
    # Of 32 million interactions 18 million are likes
    **{
        f"fit_{name}": Step(
            "benchmarks.size", ("--model", name, *ML_25M, "--entries", "32000000", "--lists", "1000"), 3600
        )
        for name in ("lightgcn", "bpr", "mf")
    },
}
"""Name → step, in the order in which they run."""


def run_suite(
    *,
    is_full: bool,
    cache: Path,
    only: tuple[str, ...] = (),
    measured: Callable[[str, Measurement], None],
) -> None:
    """Run the steps one after the other.

    Args:
        is_full: at full size, with the steps that a quick run leaves out.
        cache: where generated data sets are kept.
        only: names of the steps to run; empty for all.
        measured: called with each step's name and outcome when it ends.
    """
    data = ""
    for name, step in STEPS.items():
        arguments = step.full if is_full else step.quick
        if arguments is None or (only and name not in only):
            continue
        if "DATA" in arguments and not data:
            data = str(generated("ml-25m", 1.0 if is_full else QUICK_SCALE, events=True, cache=cache))
        given = [data if word == "DATA" else word for word in arguments]
        measured(name, measure(step.module, given, limit_s=step.full_s if is_full else step.quick_s))
