"""Measure one model by the protocol of Neural Collaborative Filtering (He et al. 2017): one test item, 99 negatives.

python -m benchmarks.ncf --train FILE --test FILE --negatives FILE --model NAME [--set factors=64] [--seed 42]

train      LightGCN's text format: lines `user item item ...`, dense integers. The model is fitted on these pairs.
test       a line for each user, separated by tabs: `user item`; rating and timestamp may follow and do not count.
negatives  a line for each line of the test file, in any order: `(user,item)`, then its negative items, all separated by
           tabs.

Each test item is ranked among its own negatives. hr@10 is the share of users whose test item is among the first ten;
ndcg@10 the mean of 1 / log2(rank + 1) of those, 0 for the others. Ties count half: a test item with the score of two
negatives ranks between them. Items and users that the model does not know rank last. The last line is machine-readable;
fit_s includes numba's compilation if its cache is cold.

`python -m benchmarks.ncf_files` writes such files from MovieLens ratings.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import read_lists
from benchmarks.command import fitted, model_arguments, refuse_bad_input
from benchmarks.one_item import K, candidate_scores, hits_and_gains, in_words, places
from models.interactions import Interactions
from tasks.errors import UsageError

_PAIR = re.compile(r"\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_LARGEST = 2**31 - 1


class HeldOutItems(NamedTuple):
    """One item to find for each user.

    Attributes:
        users: (n,) int64 user indices, none twice.
        items: (n,) int64, the test item of each.
        negatives: (n, m) int64, the items it is ranked among; −1 pads the rows of users with fewer.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    negatives: NDArray[np.int64]


def read_test(test: Path, negatives: Path) -> HeldOutItems:
    """Read the test items and their negatives.

    Raises:
        UsageError: a file cannot be read or has another format, or the two are not of the same users and items.
    """
    pairs = _read_pairs(test)
    drawn = _read_negatives(negatives)
    for user, item in pairs.items():
        if user not in drawn:
            raise UsageError(
                f"{negatives} has no line for user {user} of {test}: it needs `({user},{item})` and the user's "
                "negatives."
            )
        if drawn[user][0] != item:
            raise UsageError(
                f"The test item of user {user} is {item} in {test}, but {drawn[user][0]} in {negatives}: "
                "the two files must come from the same split."
            )
    extra = next((user for user in drawn if user not in pairs), None)
    if extra is not None:
        raise UsageError(
            f"{negatives} has a line for user {extra}, of whom {test} has none: the two files must come from the same "
            "split."
        )
    longest = max(len(row) for _, row in drawn.values())
    padded = np.full((len(pairs), longest), -1)
    for place, user in enumerate(pairs):
        row = drawn[user][1]
        padded[place, : len(row)] = row
    return HeldOutItems(np.array(list(pairs)), np.array(list(pairs.values())), padded)


def _read_pairs(path: Path) -> dict[int, int]:
    """Return user → test item, in the order of the file."""
    pairs: dict[int, int] = {}
    for number, line in _lines(path):
        words = line.split()
        if len(words) < 2 or not _are_ids(words[:2]):
            raise UsageError(
                f"Line {number} of {path} begins {line[:40]!r}: expected `user item`, integers from 0 to {_LARGEST} "
                "with a tab between them."
            )
        user, item = map(int, words[:2])
        if user in pairs:
            raise UsageError(
                f"Line {number} of {path} is the second one of user {user}: a user has one test item."
            )
        pairs[user] = item
    return pairs


def _read_negatives(path: Path) -> dict[int, tuple[int, list[int]]]:
    """Return user → test item and its negatives."""
    drawn: dict[int, tuple[int, list[int]]] = {}
    for number, line in _lines(path):
        named = _PAIR.match(line)
        words = [] if named is None else line[named.end() :].split()
        if named is None or not words or not _are_ids([*named.groups(), *words]):
            raise UsageError(
                f"Line {number} of {path} begins {line[:40]!r}: expected `(user,item)` and its negative items, "
                f"integers from 0 to {_LARGEST} with tabs between them."
            )
        user, item = map(int, named.groups())
        if user in drawn:
            raise UsageError(f"Line {number} of {path} is the second one of user {user}.")
        row = list(map(int, words))
        if item in row:
            raise UsageError(f"Line {number} of {path} holds the test item {item} among its own negatives.")
        drawn[user] = item, row
    return drawn


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file that are not blank, with their numbers."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable text file: {error}.") from None
    found = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise UsageError(f"{path} is empty.")
    return found


def _are_ids(words: list[str]) -> bool:
    return all(word.isascii() and word.isdigit() and int(word) <= _LARGEST for word in words)


def check_known(data: Interactions, test: HeldOutItems, train: Path) -> None:
    """Warn of test users and items that the training file lacks, and of test items that it holds.

    Raises:
        UsageError: it has none of the users, or none of the items.
    """
    known_user, known_item = np.diff(data.seen.indptr) > 0, np.diff(data.seen.tocsc().indptr) > 0
    for what, ids, known in (("users", test.users, known_user), ("items", test.items, known_item)):
        there = ids < len(known)
        there[there] = known[ids[there]]
        if not there.any():
            raise UsageError(
                f"{train} has none of the {len(ids)} test {what}, such as {ids[0]}: test and training file must number "
                f"{what} alike, from 0 on."
            )
        if not there.all():
            _warn(
                f"{(~there).sum()} of {len(ids)} test {what} are not in {train}: a model that does not know them ranks "
                "them last."
            )
    inside = (test.users < data.n_users) & (test.items < data.n_items)
    trained = np.asarray(data.seen[test.users[inside], test.items[inside]]).ravel() > 0
    if trained.any():
        _warn(f"{trained.sum()} of {len(test.users)} test items are in their user's line of {train}.")
    n_negatives = (test.negatives >= 0).sum(axis=1)
    if n_negatives.min() < K:
        _warn(
            f"A test item with fewer than {K} negatives is always among the first {K}: {n_negatives.min()}."
        )


def _warn(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def main() -> None:
    """Fit, rank, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("train", "test", "negatives"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE")
    name, config, seed, asked = model_arguments(parser)
    data, test = Interactions.from_positive(read_lists(asked.train)), read_test(asked.test, asked.negatives)
    check_known(data, test, asked.train)

    model, fit_s = fitted(name, config, data, seed)
    scores = candidate_scores(model, test.users, np.column_stack([test.items, test.negatives]))
    place = places(scores[:, 0], scores[:, 1:], (test.negatives >= 0).sum(axis=1))
    print(f"{in_words(hits_and_gains(place))} fit_s={fit_s:.1f}")


if __name__ == "__main__":
    refuse_bad_input(main)
