"""What the benchmarks of one model share: its options on the command line, its fit, and how they refuse."""

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
    parser.add_argument("--model", required=True, metavar="NAME", help="a name of models/registry.py")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="an option of the model, as factors=64"
    )
    parser.add_argument("--seed", type=at_least(0), default=42)
    asked = parser.parse_args()
    return asked.model, model_config(asked.model, asked.set), asked.seed, asked


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that takes a whole number from `least` on."""

    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return whole_number


def model_config(name: str, options: Sequence[str]) -> Config:
    """The model's defaults with `options` such as `factors=64`; no file and no environment has a say.

    Raises:
        UsageError: no such model, no such option, a value out of its range, or a GPU that is not there.
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
    """The fitted model and the seconds that it took; how far it is, is told on stderr.

    Raises:
        NightError: see `plain_fit_errors`.
    """
    model = recommender_class(name)(config)
    started = time.perf_counter()
    with plain_fit_errors():
        model.fit(data, seed=seed, progress=_told_on_stderr(name))
    return model, time.perf_counter() - started


@contextmanager
def plain_fit_errors() -> Iterator[None]:
    """What models say of a fit that failed, as an error that `refuse_bad_input` prints.

    Raises:
        NightError: the model cannot learn from this data, or not with these options.
    """
    try:
        yield
    except (ValueError, DivergedError) as error:
        raise NightError(f"The fit failed. {error}.") from error


def _told_on_stderr(what: str) -> Progress:
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
        print(f"{error} {error.hint}".rstrip(), file=sys.stderr)
        sys.exit(error.exit_code)
