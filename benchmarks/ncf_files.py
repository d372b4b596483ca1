"""Write the files of `benchmarks.ncf` from ratings: the newest like of each user is the test, beside 99 negatives.

python -m benchmarks.ncf_files --data ratings.csv --out FOLDER [--seed 42]
python -m benchmarks.ncf --train FOLDER/train.txt --test FOLDER/test.tsv --negatives FOLDER/negatives.tsv --model bpr

The data are lines `user item rating timestamp`, separated by tabs or, in a .csv file with a header, by commas. The
split is that of `benchmarks.leave_one_out`: train.txt holds all other likes (ratings from 3.5 on), and negatives are
drawn by the seed from the items that the user has not rated. Users and items are numbered from 0 on, in the order of
their ids.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.command import at_least, refuse_bad_input
from benchmarks.leave_one_out import Carve, carve
from benchmarks.ratings import read_ratings
from tasks.errors import UsageError


def write(split: Carve, folder: Path) -> None:
    """Write the files of `benchmarks.ncf` into `folder`, which is created if absent."""
    likes = split.data.positive
    rows = np.split(likes.indices, likes.indptr[1:-1])
    texts = {
        "train.txt": (" ".join(map(str, (user, *row))) for user, row in enumerate(rows) if len(row)),
        "test.tsv": (f"{user}\t{item}" for user, item in zip(split.users, split.items, strict=True)),
        "negatives.tsv": (
            "\t".join([f"({user},{item})", *map(str, row[row >= 0])])
            for user, item, row in zip(split.users, split.items, split.negatives, strict=True)
        ),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in texts.items():
            (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    except OSError as error:
        raise UsageError(f"The files cannot be written into {folder}: {error}.") from None
    print(f"{', '.join(texts)} of {len(split.users)} test users are in {folder}.")


def main() -> None:
    """Carve and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="created if absent")
    parser.add_argument("--seed", type=at_least(0), default=42, help="of the negatives")
    asked = parser.parse_args()
    write(carve(read_ratings(asked.data), seed=asked.seed), asked.out)


if __name__ == "__main__":
    refuse_bad_input(main)
