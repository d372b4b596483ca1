"""Generated data sets that benchmarks share: made once, kept in a folder, and found again by the next run."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tasks.datasets.synthetic.generate import generate_demo
from tasks.datasets.synthetic.public_sets import PUBLIC_SETS, Size, imitated
from tasks.datasets.synthetic.users import Habits
from tasks.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "data" / "benchmarks"
LEAST_SCALE = 0.001


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --like, --scale, --events, --cache and --folder."""
    parser.add_argument("--like", default="ml-25m", metavar="NAME", help=", ".join(PUBLIC_SETS))
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="so many times the users, ratings and tags, and its root times the items",
    )
    parser.add_argument("--events", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="FOLDER", help="where generated data sets are kept"
    )
    parser.add_argument("--folder", type=Path, help="a data set, in place of a generated one")


def data_of(asked: argparse.Namespace) -> Path:
    """Return the folder of the data set that the command line asks for; generate it unless the cache has it.

    Raises:
        UsageError: there is no such folder or set, or the scale makes a set that cannot be generated.
    """
    if asked.folder is None:
        return generated(asked.like, asked.scale, events=asked.events, cache=asked.cache)
    if not (asked.folder / "ratings.csv").is_file():
        raise UsageError(
            f"There is no {asked.folder}/ratings.csv.", "Name a folder that `recs generate` has made."
        )
    folder: Path = asked.folder
    return folder.resolve()


def size_of(like: str, scale: float) -> Size:
    """Return the size of a scaled public set.

    Raises:
        UsageError: there is no such set, or the scale is too small.
    """
    size, _ = imitated(like)
    if not scale >= LEAST_SCALE:
        raise UsageError(f"--scale takes a number of at least {LEAST_SCALE} (given: {scale}).")
    return size.scaled(scale)


def generated(like: str, scale: float, *, events: bool, cache: Path) -> Path:
    """Return the folder of a generated data set, which is made unless it is there.

    Args:
        like: a name of `PUBLIC_SETS`.
        scale: so many times its users, ratings and tags, and √scale times its items.
        events: with events.csv.
        cache: the folder to look and to write in. A changed generator writes a folder of another name.

    Raises:
        UsageError: there is no such set, or the size cannot be generated.
        NightError: the files cannot be written.
    """
    size, (_, habits) = size_of(like, scale), imitated(like)
    folder = cache / f"{like}-x{scale:g}{'' if events else '-no-events'}-{sample_digest(habits)}"
    if not folder.is_dir():
        print(f"Generating {folder} ({size.ratings:,} ratings) …", file=sys.stderr, flush=True)
        generate_demo(folder, **asdict(size), events=events, habits=habits)
    return folder.resolve()


def sample_digest(habits: Habits) -> str:
    """Return a short hash of a small data set of today's generator: another one, and its cached sets are other ones."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
        sample = Path(where) / "sample"
        generate_demo(sample, users=60, items=200, ratings=1500, tags=90, habits=habits)
        for file in sorted(sample.iterdir()):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:8]
