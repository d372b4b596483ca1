"""What the benchmarks of one model share on their command lines."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from models.base import Config, Progress
from tasks.configure import load_settings
from tasks.errors import NightError


def model_arguments(parser: argparse.ArgumentParser) -> tuple[str, Config, int, argparse.Namespace]:
    """Add --model, --set and --seed, read the command line and check it.

    Raises:
        UsageError: no such model, no such option, or a value out of its range.
    """
    parser.add_argument("--model", required=True, metavar="NAME", help="a name of models/registry.py")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="an option of the model, as factors=64"
    )
    parser.add_argument("--seed", type=_seed, default=42)
    asked = parser.parse_args()
    overrides = tuple(f"models.{asked.model}.{option}" for option in asked.set)
    defaults = Path(os.devnull)  # not the settings of whoever runs it
    settings = load_settings(defaults, (f'models.shelf=["{asked.model}"]', *overrides))
    return asked.model, settings.models.config(asked.model), asked.seed, asked


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError("a seed is 0 or more")
    return seed


def told_on_stderr(what: str) -> Progress:
    """A progress report that says at most every ten seconds how far the fit is."""
    started = last = time.perf_counter()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.perf_counter() - last > 10:
            last = time.perf_counter()
            print(f"{what}: {done} of {total} after {last - started:.0f} s", file=sys.stderr, flush=True)

    return progress


def refuse_bad_input(main: Callable[[], None]) -> None:
    """Run `main`; end with a sentence and the error's exit code where it cannot go on."""
    try:
        main()
    except NightError as error:
        print(error, error.hint, file=sys.stderr)
        sys.exit(error.exit_code)
