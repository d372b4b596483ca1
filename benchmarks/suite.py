"""The measurements of `make bench` and `make bench-full`: which benchmark, its arguments, and how long it may take."""

from __future__ import annotations

import tempfile
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
        full: its arguments at full size. `DATA` stands for the folder of the generated data set, `SNAPSHOT` for one of
            the matrices that the step `common_stages` makes.
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
    "common_stages": Step(
        "benchmarks.common_stages",
        ("--folder", "DATA", "--snapshot", "SNAPSHOT"),
        1200,
        ("--folder", "DATA", "--snapshot", "SNAPSHOT"),
    ),
    "topn": Step(
        "benchmarks.topn",
        (*ML_25M, "--snapshot", "SNAPSHOT"),
        2400,
        ("--users", "20000", "--items", "10000", "--snapshot", "SNAPSHOT"),
        240,
    ),
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
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
        stands_for = {"SNAPSHOT": f"{where}/snapshot"}
        for name, step in selected(only, is_full=is_full).items():
            arguments = (step.full if is_full else step.quick) or ()
            if "DATA" in arguments and "DATA" not in stands_for:
                scale = 1.0 if is_full else QUICK_SCALE
                stands_for["DATA"] = str(generated("ml-25m", scale, events=True, cache=cache))
            given = [stands_for.get(word, word) for word in arguments]
            measured(name, measure(step.module, given, limit_s=step.full_s if is_full else step.quick_s))


def selected(only: tuple[str, ...], *, is_full: bool) -> dict[str, Step]:
    """Return the steps to run, with `common_stages` if one needs its matrices.

    Args:
        only: names of steps; empty for all.
        is_full: at full size.
    """
    steps = {name: step for name, step in STEPS.items() if is_full or step.quick is not None}
    if not only:
        return steps
    needed = {"common_stages"} if any("SNAPSHOT" in STEPS[name].full for name in only) else set()
    return {name: step for name, step in steps.items() if name in needed.union(only)}
