"""Compare our models with those of other libraries: time, memory and accuracy on the same data.

python -m benchmarks.peers --train train.txt --test test.txt [--libraries ours,implicit] [--seconds 3600] [--json FILE]
python -m benchmarks.peers --folder ml-25m-like [...]

--train and --test are files in LightGCN's format (see benchmarks.accuracy). --folder is a folder with ratings.csv and
tags.csv, as `recs generate` makes: ratings of 3.5 and more are likes, those after the time before which 9 of 10 lie are
the test, and pandas does what a night does before its fits, too. Each library is installed into an environment of its
own under data/benchmarks/peers on first use. Neural models of RecBole train for a sixth of --seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.accuracy import read_lists
from benchmarks.command import at_least, refuse_bad_input
from benchmarks.peers.compare import K, Outcome, compare, write_input
from benchmarks.peers.data_part import by_pandas
from benchmarks.peers.shelf import chosen
from tasks.errors import UsageError


def main() -> None:
    """Run all that the command line asks for and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, metavar="FILE")
    parser.add_argument("--test", type=Path, metavar="FILE")
    parser.add_argument("--folder", type=Path, help="of ratings.csv and tags.csv")
    parser.add_argument("--libraries", metavar="NAMES", help="with commas between them (default: all)")
    parser.add_argument("--seconds", type=at_least(1), default=3600, help="after which a model is ended")
    parser.add_argument("--seed", type=at_least(0), default=42)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    asked = parser.parse_args()
    if (asked.folder is None) == (asked.train is None) or (asked.train is None) != (asked.test is None):
        raise UsageError("Name either --train and --test, or --folder.")
    try:
        peers = chosen(asked.libraries)
    except ValueError as error:
        raise UsageError(f"--libraries is wrong: {error}.") from None
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
        folder, report = Path(where), {}
        if asked.folder is None:
            train, test = _of_same_shape(read_lists(asked.train), read_lists(asked.test))
        else:
            report["pandas"] = by_pandas(asked.folder, folder / "pandas")
            print(" ".join(f"{name}={value}" for name, value in report["pandas"].items()), flush=True)
            train, test = (
                sparse.csr_array(sparse.load_npz(folder / "pandas" / f"{name}.npz"))
                for name in ("positive", "held_out")
            )
            train.data[:] = test.data[:] = 1
        write_input(folder, train, test)
        print(f"{train.shape[0]:,} users × {train.shape[1]:,} items, {train.nnz:,} likes", flush=True)
        outcomes = _shown(compare(folder, test, peers, seed=asked.seed, seconds=asked.seconds))
    report["models"] = [each.row() for each in outcomes]
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1))


def _of_same_shape(*matrices: sparse.csr_array) -> tuple[sparse.csr_array, ...]:
    shape = tuple(np.max([matrix.shape for matrix in matrices], axis=0))
    for matrix in matrices:
        matrix.resize(shape)
    return matrices


def _shown(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Print a line for each outcome as it comes; return all."""
    print(
        f"{'library':<10}{'model':<18}{'fit s':>9}{'lists s':>9}{'MB':>8}{f'recall@{K}':>11}{f'ndcg@{K}':>10}"
    )
    found = []
    for each in outcomes:
        found.append(each)
        figures = (
            f"{each.fit_s:>9.1f}{each.list_s:>9.1f}{each.peak_mb:>8.0f}{each.recall:>11.4f}{each.ndcg:>10.4f}"
        )
        print(f"{each.peer.library:<10}{each.peer.model:<18}{each.fault or figures}  {each.note}", flush=True)
    return found


if __name__ == "__main__":
    refuse_bad_input(main)
