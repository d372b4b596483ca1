"""Measure how time and memory of each stage grow with the ratings.

python -m benchmarks.growth [--millions 1,5,25,100] [--nights-up-to 25] [--models popularity,item_knn,als]
                            [--json docs/benchmarks.json] [--cache FOLDER]

Each size is ml-25m scaled: users and ratings in proportion, items with the root, no events. In a process of its own
each, `benchmarks.common_stages` measures landing, cleaning, matrices and the top 100 of random factors,
`benchmarks.publication` the publication of these users' lists to SQLite, and, up to --nights-up-to million ratings,
`benchmarks.night` a whole night. The exponent of each stage is fitted by least squares on logarithms. The results go
into the JSON under `growth`; docs/benchmarks.md is written from it by `benchmarks.collect`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.child import Measurement, measure
from benchmarks.command import refuse_bad_input
from benchmarks.exponents import growth_of
from benchmarks.generated import CACHE, generated
from benchmarks.machine import machine_facts
from benchmarks.results import RESULTS, write_section
from benchmarks.suite import MODELS
from tasks.datasets.synthetic.public_sets import PUBLIC_SETS
from tasks.errors import UsageError

LIKE = "ml-25m"
LIMIT_S = 4 * 3600
LIST_LENGTH = 100
Point = dict[str, Any]
"""One size: `ratings`, `stages` (name → {"s", "mb"}), and `errors`."""


def main() -> None:
    """Measure every size, print the exponents, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--millions", default="1,5,25,100", metavar="NUMBERS", help="ratings, in millions")
    parser.add_argument(
        "--nights-up-to", type=float, default=25, metavar="MILLIONS", help="0: no whole nights"
    )
    parser.add_argument("--models", default=MODELS, help="of the nights")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="FOLDER")
    asked = parser.parse_args()
    points = measured_growth(
        parse_millions(asked.millions),
        machine=machine_facts(),
        nights_up_to=asked.nights_up_to,
        models=asked.models,
        cache=asked.cache,
        measured=lambda growth: write_section(asked.json, "growth", growth),
    )
    for unit in ("s", "mb"):
        for line in growth_of(points["points"], unit):
            shown = "  ".join("–" if value is None else f"{value:9.1f}" for value in line.values)
            exponent = "" if line.exponent is None else f"{line.exponent:.2f}"
            print(f"{line.stage:32} {unit:2} {shown}  exponent {exponent}")
    for point in points["points"]:
        for what, error in point["errors"].items():
            print(f"{point['ratings']:,} ratings, {what}: {error}")


def parse_millions(text: str) -> list[float]:
    """Return the sizes of --millions, in order.

    Raises:
        UsageError: one is no number above 0.
    """
    try:
        sizes = sorted(float(word) for word in text.split(","))
    except ValueError:
        sizes = [0.0]
    if min(sizes) <= 0:
        raise UsageError(f"--millions takes numbers above 0 with commas between them (given: {text}).")
    return sizes


def measured_growth(
    millions: Sequence[float],
    *,
    nights_up_to: float,
    models: str,
    cache: Path,
    measured: Callable[[dict[str, Any]], object],
    machine: Mapping[str, Any],
) -> dict[str, Any]:
    """Measure all sizes; return the machine's facts and a point for each.

    Args:
        millions: of ratings.
        nights_up_to: largest size with a whole night, in millions.
        models: of the nights.
        cache: where generated data sets are kept.
        measured: called with the result so far after each size.
        machine: its facts before anything was measured: afterwards our own work is its load.
    """
    growth: dict[str, Any] = {"machine": dict(machine), "points": []}
    for size in millions:
        growth["points"].append(measure_size(size, models if size <= nights_up_to else "", cache))
        measured(growth)
    return growth


def measure_size(millions: float, models: str, cache: Path) -> Point:
    """Measure one size.

    Args:
        millions: of ratings.
        models: of the night; empty for no night.
        cache: where generated data sets are kept.
    """
    public = PUBLIC_SETS[LIKE].size
    folder = generated(LIKE, millions * 1e6 / public.ratings, events=False, cache=cache)
    point: Point = {"ratings": round(millions * 1e6), "stages": {}, "errors": {}}
    common = measure("benchmarks.common_stages", ["--folder", str(folder)], limit_s=LIMIT_S)
    _take(point, "common stages", common, _stages_of_figures(common.figures))
    if users := int(common.figures.get("users", 0)):
        options = ["--on", "sqlite", "--users", str(users), "--readers", "1", "--seconds", "1"]
        published = measure("benchmarks.publication", options, limit_s=LIMIT_S)
        _take(point, "publication", published, _publication(published.figures, users))
    if models:
        with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
            file = Path(where) / "night.json"
            night = measure(
                "benchmarks.night",
                ["--folder", str(folder), "--models", models, "--json", str(file)],
                limit_s=LIMIT_S,
            )
            _take(point, "night", night, stages_of_night(file) if file.is_file() else {})
    return point


def _take(point: Point, what: str, measurement: Measurement, stages: dict[str, dict[str, float]]) -> None:
    if measurement.error:
        point["errors"][what] = measurement.error
    point["stages"] |= stages


def _stages_of_figures(figures: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return the stages of `benchmarks.common_stages`, whose figures are STAGE_s and STAGE_mb."""
    names = [name.removesuffix("_s") for name in figures if name.endswith("_s")]
    return {name: {"s": figures[f"{name}_s"], "mb": figures[f"{name}_mb"]} for name in names}


def _publication(figures: dict[str, float], users: int) -> dict[str, dict[str, float]]:
    """Return the seconds of a publication with its keys, and its memory, as the stage `publish`."""
    if not figures:
        return {}
    return {"publish": {"s": users * LIST_LENGTH / figures["with_keys_per_s"], "mb": figures["peak_mb"]}}


def stages_of_night(file: Path) -> dict[str, dict[str, float]]:
    """Return the stages of a night, named `night: STAGE` or `night: STAGE MODEL`; repeated ones are added.

    Args:
        file: that `benchmarks.night --json` wrote.
    """
    night = json.loads(file.read_text(encoding="utf-8"))
    found: dict[str, dict[str, float]] = {}
    for stage in night["stages"]:
        name = f"night: {stage['stage']}" + (f" {stage['model']}" if stage["model"] else "")
        before = found.get(name, {"s": 0.0, "mb": 0.0})
        found[name] = {"s": before["s"] + stage["seconds"], "mb": max(before["mb"], stage["peak_mb"])}
    figures = night["figures"]
    return found | {"night: total": {"s": figures["total_s"], "mb": figures["peak_mb"]}}


if __name__ == "__main__":
    refuse_bad_input(main)
