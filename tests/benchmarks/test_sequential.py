"""The benchmark of the next item: figures by hand, and what it refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks import sequential
from benchmarks.sequential import ranked, read_events, read_sequences
from models.baselines.popularity import Popularity


def by_popularity(users: dict[int, list[int]]) -> str:
    """Return lines of some users, and of others with one item each, so that item i is liked by 40 − 3 i of them."""
    lines = [f"{user} {' '.join(map(str, items))}" for user, items in users.items()]
    others = [f"{1000 + 100 * item + n} {item}" for item in range(12) for n in range(40 - 3 * item)]
    return "\n".join([*lines, *others]) + "\n"


def test_figures_match_a_hand_ranking(benchmark) -> None:
    """User 1 had 0 and 1: item 2 is first. User 2 had 0 and 5: item 3 is third. User 3 had 10, 9: item 11 is tenth."""
    text = by_popularity({1: [0, 1, 2], 2: [0, 5, 3], 3: [10, 9, 11]})
    line = benchmark(sequential.main, "--model", "popularity", data=text)
    gain = (1 + 1 / np.log2(4) + 1 / np.log2(11)) / 3
    expected = rf"hr@10=1\.00000 ndcg@10={gain:.5f} fit_s=\d+\.\d score_s=\d+\.\d peak_mb=\d+"
    assert re.fullmatch(expected, line)


def test_an_item_after_the_tenth_is_missed(benchmark) -> None:
    """User 1 had 10 items less than 12: item 11 is second. User 2 had one of the lowest two: item 11 is eleventh."""
    text = by_popularity({1: [*range(10), 11], 2: [10, 10, 11]})
    line = benchmark(sequential.main, "--model", "popularity", data=text)
    assert line.startswith(f"hr@10=0.50000 ndcg@10={1 / np.log2(3) / 2:.5f} ")


def test_an_item_that_nobody_had_before_is_missed(tmp_path) -> None:
    (tmp_path / "data").write_text(by_popularity({1: [0, 1, 77], 2: [0, 1, 2]}))
    split = read_sequences(tmp_path / "data")
    found = ranked(Popularity().fit(split.data, seed=1), split)
    assert found.tolist() == [10, 0], "among the 13 items less the two that the user had and itself"


def test_ties_count_half(tmp_path) -> None:
    (tmp_path / "data").write_text("1 0 1 2\n2 2 9\n3 3 9\n4 4 9\n")
    split = read_sequences(tmp_path / "data")
    assert ranked(Popularity().fit(split.data, seed=1), split).tolist() == [2], (
        "9 is better, 3 and 4 are as good"
    )


def test_the_last_item_is_the_test_and_the_rest_trained_on(tmp_path) -> None:
    (tmp_path / "data").write_text("7 30 10 20\n\n5 20 10\n9\n8 30 20 30 10\n6 10 20 10\n")
    split = read_sequences(tmp_path / "data")
    assert split.data.timestamp.toarray().tolist() == [
        [2, 0, 1],  # items 10, 20, 30 of user 7
        [2, 1, 0],  # too few to be tested
        [0, 2, 3],  # of the repeated item the latest place
        [3, 2, 0],  # the last item is not new
    ]
    assert split.users.tolist() == [0, 2]
    assert split.items.tolist() == [1, 0]


def test_by_time_the_first_new_item_after_the_cutoff_is_the_test(tmp_path) -> None:
    """The latest tenth begins after time 41. User 1 had item 5 before, item 9 is unknown, user 3 is new."""
    old = "".join(f"{1 + n % 2} {5 + n % 3} {n + 1}\n" for n in range(40))
    new = "1 5 101\n1 9 102\n1 8 104\n1 7 103\n3 5 105\n"
    (tmp_path / "data").write_text(f"{old}4 8 41\n{new}")
    split = read_events(tmp_path / "data")
    assert split.users.tolist() == [0]
    items = [5, 6, 7, 8, 9]
    assert items[split.items[0]] == 8, "user 1 had 5, 6 and 7"
    assert split.data.timestamp.data.max() == 41


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("1 2 x\n", "is not a readable file of lines `user item item ...`"),
        ("1 2 3.5\n", "is not a readable file of lines `user item item ...`"),
        ("1 2 -3\n", "holds the negative number -3: ids are integers from 0 on"),
        ("1 2 3 4\n1 5 6 7\n", "holds user 1 on 2 lines, not on one"),
        ("1 2 3\n2 3\n", "holds no user with three items"),
        ("1 2 3 2\n", "the last of them a new one"),
        ("1\n", "nothing is tested"),
    ],
)
def test_bad_files_are_refused(refused, text: str, message: str) -> None:
    code, printed = refused(sequential.main, "--model", "popularity", data=text)
    assert code == 2
    assert message in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3 4\n", "does not hold lines `user item timestamp`"),
        ("1 2 5\n2 2 9\n", "No user of"),
    ],
)
def test_bad_files_of_events_are_refused(refused, text: str, message: str) -> None:
    code, printed = refused(sequential.main, "--model", "popularity", "--protocol", "time", data=text)
    assert code == 2
    assert message in printed


def test_a_sequence_model_finds_the_next_item_of_a_walk(benchmark) -> None:
    text = "".join(f"{user} {' '.join(str((user + step) % 20) for step in range(8))}\n" for user in range(60))
    settings = ["factors=16", "epochs=60", "learning_rate=0.01", "dropout=0", "hidden=32", "batch=256"]
    arguments = [word for setting in settings for word in ("--set", setting)]
    line = benchmark(sequential.main, "--model", "gru4rec", *arguments, data=text)
    assert float(re.match(r"hr@10=(\S+) ndcg@10=(\S+)", line)[2]) > 0.8
