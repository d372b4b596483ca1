"""Shared by the benchmarks of one model: its command-line options, its fit, and how errors are printed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pydantic import ValidationError

from models.base import Config, DivergedError, Progress, Recommender
from models.interactions import Interactions
from models.registry import config_class, recommender_class, require_known
from tasks.config.load import toml_value
from tasks.config.messages import explain
from tasks.errors import NightError, UsageError


def model_arguments(parser: argparse.ArgumentParser) -> tuple[str, Config, int, argparse.Namespace]:
    """Add --model, --set and --seed, read the command line and check it.

    Raises:
        UsageError: see `model_config`.
    """
    add_model_arguments(parser)
    asked = parser.parse_args()
    return asked.model, model_config(asked.model, asked.set), asked.seed, asked


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --model, --set and --seed."""
    parser.add_argument("--model", required=True, metavar="NAME", help="a name of models/registry.py")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="an option of the model, as factors=64"
    )
    parser.add_argument("--seed", type=at_least(0), default=42)


def at_least(least: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number of at least `least`."""

    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return whole_number


def model_config(name: str, options: Sequence[str]) -> Config:
    """Return the model's default config with `options` such as `factors=64`; no file or environment variable counts.

    Raises:
        UsageError: no such model, no such option, a value out of its range, or a missing GPU.
    """
    given = {}
    for option in options:
        key, equals, text = (part.strip() for part in option.partition("="))
        if not key or not equals:
            raise UsageError(f"The option {option!r} is not of the form option=value, such as factors=64.")
        given[key] = toml_value(text)
    try:
        kind = config_class(require_known(name))
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        config = kind.model_validate(given)
    except ValidationError as error:
        raise UsageError(*explain(error, kind, ("models", name))) from None
    try:
        config.check_machine()
    except ValueError as error:
        raise UsageError(f"The model {name} cannot be trained on this machine: {error}.") from None
    return config


def fitted(name: str, config: Config, data: Interactions, seed: int) -> tuple[Recommender, float]:
    """Fit a model; print its progress on stderr.

    Args:
        name: of the registry.
        config: the model's.
        data: to fit it on.
        seed: of the fit.

    Returns:
        The fitted model, and the seconds that the fit took.

    Raises:
        NightError: as in `plain_fit_errors`.
    """
    model = recommender_class(name)(config)
    started = time.perf_counter()
    with plain_fit_errors():
        model.fit(data, seed=seed, progress=_progress_on_stderr(name))
    return model, time.perf_counter() - started


@contextmanager
def plain_fit_errors() -> Iterator[None]:
    """Turn the errors of a failed fit into an error that `refuse_bad_input` prints.

    Raises:
        NightError: the model cannot be fitted on this data or with these options.
    """
    try:
        yield
    except (ValueError, DivergedError) as error:
        raise NightError(f"The fit failed. {error}.") from error


def _progress_on_stderr(what: str) -> Progress:
    """Return a progress callback that prints at most every ten seconds."""
    started = last = time.perf_counter()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.perf_counter() - last > 10:
            last = time.perf_counter()
            print(f"{what}: {done} of {total} after {last - started:.0f} s", file=sys.stderr, flush=True)

    return progress


def refuse_bad_input(main: Callable[[], None]) -> None:
    """Run `main`; print a NightError as one sentence and exit with its code."""
    try:
        main()
    except NightError as error:
        print(f"{error} {error.hint}".rstrip(), file=sys.stderr)
        sys.exit(error.exit_code)
