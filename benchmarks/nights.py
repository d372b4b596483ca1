"""Evaluate all models on whole data sets: one night each, metrics with intervals on the report half.

make bench-models, or: python -m benchmarks.nights [DATASET ...]     (a name that `recs run` knows, or a folder)
Homes are temporary, and no home or database of yours is touched. Without arguments: the demo, and ml-latest-small
where ../shared/data has it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.command import refuse_bad_input
from flows.prefect_runtime.home import configure_prefect, import_prefect
from flows.terminal.console import Terminal, out
from flows.terminal.run_report import show_differences, show_metrics, show_stages
from models.registry import RECOMMENDERS
from tasks.config.load import load_settings
from tasks.config.settings import PublishSettings
from tasks.reporting.run_report import read_report
from tasks.run.lifecycle import run_night
from tasks.storage.home import open_home

SMALL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ml-latest-small"


def judge(dataset: str, overrides: tuple[str, ...]) -> None:
    """Run a night in a temporary home and print its"""
    import_prefect()
    from flows.nightly import run_flow  # noqa: PLC0415  (after configure_prefect)

    settings = load_settings(None, overrides).model_copy(update={"publish": PublishSettings()})
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder:
        home = open_home(dataset, Path(folder) / "home")
        with Terminal(out) as terminal:
            terminal.headline(home.dataset, home.path)
            outcome = run_night(home, settings, run_flow, terminal)
        report = read_report(home, outcome.run.run_id)
        show_metrics(out, report)
        show_differences(out, report)
        show_stages(out, report)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="*", default=["demo", *([str(SMALL)] if SMALL.is_dir() else [])])
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as for recs run"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nightly-recs-prefect-") as folder:
        configure_prefect(Path(folder), debug=False)
        for dataset in asked.dataset:
            judge(dataset, (f"models.shelf={','.join(RECOMMENDERS)}", *asked.set))
    if not SMALL.is_dir():
        print(f"ml-latest-small was left out: {SMALL} does not exist. Give its folder as an argument.")


if __name__ == "__main__":
    refuse_bad_input(main)
