"""The benchmarks that rank one test item of each user: figures by hand, and what they refuse."""

import re

import numpy as np
import pytest

from benchmarks import leave_one_out, ncf, ncf_files
from benchmarks.one_item import hits_and_gains, places

# Items 0 to 11 have 12 to 1 users among users 100 to 111, so that popularity ranks them in this order.
TRAIN = "".join(f"{100 + user} {' '.join(map(str, range(12 - user)))}\n" for user in range(12))
ITEMS = range(12)


def negatives_of(user, item, negatives):
    return f"({user},{item})\t" + "\t".join(map(str, negatives)) + "\n"


def run_ncf(run, test, negatives, train=TRAIN):
    return run(ncf.main, "--model", "popularity", train=train, test=test, negatives=negatives)


def test_ncf_matches_a_hand_ranking(benchmark):
    """Item 2 is third, item 11 is twelfth and missed."""
    test = "100\t2\t5\t978300760\n101\t11\n"
    negatives = "".join(
        negatives_of(user, item, [other for other in ITEMS if other != item])
        for user, item in ((101, 11), (100, 2))
    )
    line = run_ncf(benchmark, test, negatives)
    assert re.fullmatch(r"hr@10=0\.50000 ndcg@10=0\.25000 fit_s=\d+\.\d", line)


def test_ties_count_half():
    own, others = (
        np.array([1, 3, 0], np.float32),
        np.array([[1, 1, 0], [1, 2, np.nan], [0, 0, 0]], np.float32),
    )
    assert places(own, others, 3).tolist() == [1, 0, 1.5]


def test_what_the_model_does_not_know_ranks_last():
    own, others = (
        np.array([np.nan, np.nan], np.float32),
        np.array([[1, np.nan], [np.nan, np.nan]], np.float32),
    )
    assert places(own, others, np.array([2, 1])).tolist() == [2, 1]


def test_gain_is_that_of_the_rank_up_to_ten():
    found = hits_and_gains(np.array([0.0, 1.0, 9.5, 10.0]))
    assert found["hr@10"].tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(found["ndcg@10"], [1, 1 / np.log2(3), 1 / np.log2(11.5), 0])


def test_unknown_items_rank_last_and_are_warned_of(benchmark, monkeypatch):
    """Negative 99 and test item 50 are not in the training file, nor is user 3, whom popularity knows."""
    warned = []
    monkeypatch.setattr(ncf, "_warn", warned.append)
    unknown = [99 + number for number in range(10)]
    negatives = (
        negatives_of(111, 11, unknown) + negatives_of(101, 50, range(12)) + negatives_of(3, 0, range(1, 12))
    )
    line = run_ncf(benchmark, "111\t11\n101\t50\n3\t0\n", negatives)
    assert line.startswith("hr@10=0.66667 ndcg@10=0.66667 ")
    assert [re.match(r"1 of 3 test (\w+) are not in .*: a model", sentence)[1] for sentence in warned] == [
        "users",
        "items",
    ]


def test_a_test_item_of_the_training_file_is_warned_of(benchmark, monkeypatch):
    warned = []
    monkeypatch.setattr(ncf, "_warn", warned.append)
    run_ncf(benchmark, "100\t2\n", negatives_of(100, 2, range(3, 12)))
    assert [sentence.split(" of ")[0] for sentence in warned] == [
        "1",
        "A test item with fewer than 10 negatives is always among the first 10: 9.",
    ]


GOOD = {"test": "100\t2\n", "negatives": "(100,2)\t3\t4\n"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"test": ""}, "test is empty."),
        ({"test": "100\n"}, "Line 1 of .*test begins '100': expected `user item`"),
        ({"test": "100\t2\n\nuser\titem\n"}, "Line 3 of .*test begins 'user\\\\titem'"),
        ({"test": "100\t-2\n"}, "expected `user item`"),
        ({"test": f"100\t{2**31}\n"}, "integers from 0 to 2147483647"),
        ({"test": "100\t2\n100\t3\n"}, "Line 2 of .*test is the second one of user 100"),
        ({"test": "101\t2\n"}, r"negatives has no line for user 101 of .*: it needs `\(101,2\)`"),
        ({"test": "100\t5\n"}, "The test item of user 100 is 5 in .*test, but 2 in .*negatives"),
        ({"negatives": "(100,2)\t3\n(101,2)\t3\n"}, "negatives has a line for user 101, of whom .*test has none"),
        ({"negatives": "100,2\t3\n"}, r"Line 1 of .*negatives begins '100,2\\t3': expected `\(user,item\)`"),
        ({"negatives": "(100,2)\n"}, "expected `.user,item.` and its negative items"),
        ({"negatives": "(100,2)\t3\tx\n"}, "expected `.user,item.` and its negative items"),
        ({"negatives": "(100,2)\t3\t2\n"}, "holds the test item 2 among its own negatives"),
        ({"negatives": "(100,2)\t3\n(100,2)\t4\n"}, "Line 2 of .*negatives is the second one of user 100"),
        ({"train": "0 1\n"}, "train has none of the 1 test users, such as 100"),
        ({"train": "100 1\n"}, "train has none of the 1 test items, such as 2"),
        ({"train": "one\n"}, "train is not a readable file of lines `user item item ...`"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused(refused, wrong, message):
    code, error = refused(ncf.main, "--model", "popularity", **{"train": TRAIN, **GOOD, **wrong})
    assert code == 2
    assert re.search(message, error)
    assert error.count("\n") == 1


def test_a_folder_in_place_of_a_file_is_refused(refused, tmp_path):
    arguments = ("--model", "popularity", "--test", str(tmp_path))
    code, error = refused(ncf.main, *arguments, train=TRAIN, negatives=GOOD["negatives"])
    assert (code, "is not a readable text file" in error) == (2, True)


def rows_of(*ratings):
    return np.array(ratings, np.float64)


def test_the_newest_like_is_held_out():
    """User 1's newest rating is no like, user 2 likes two items at once, user 3 has a single like."""
    rows = rows_of(
        (1, 10, 5, 1), (1, 11, 4, 2), (1, 12, 1, 3),
        (2, 12, 4, 7), (2, 10, 3.5, 7), (2, 13, 5, 6),
        (3, 10, 5, 1), (3, 11, 3, 2),
    )  # fmt: skip
    split = leave_one_out.carve(rows, seed=1)
    assert (split.users.tolist(), split.items.tolist()) == ([0, 1], [1, 0])
    assert split.data.seen.toarray().tolist() == [[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]]
    assert [sorted(row[row >= 0].tolist()) for row in split.negatives] == [[3], [1]]


def test_negatives_are_drawn_by_the_seed():
    rows = rows_of(*((user, item, 5, item) for user in range(3) for item in range(user, user + 3)), (9, 400, 5, 0),
                   *((9, item, 1, 0) for item in range(100, 300)))  # fmt: skip
    first, again, other = (leave_one_out.carve(rows, seed=seed).negatives for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (np.sort(first, axis=1)[:, 1:] != np.sort(first, axis=1)[:, :-1]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t1\t5\t0\n1\t1\t5\t0\n", "1 second ratings of the same user and item"),
        ("1\t1\t5\t0\n1\t2\t1\t0\n", "No user has two ratings of at least 3.5"),
        ("1\t1\t5\n", "does not hold lines of `user item rating timestamp`"),
    ],
)
def test_ratings_without_a_test_are_refused(refused, text, message):
    code, error = refused(leave_one_out.main, "--model", "popularity", data=text)
    assert (code, message in error) == (2, True)


RATINGS = "".join(f"{user}\t{item}\t5\t{item}\n" for user in range(1, 9) for item in range(user, user + 4))


def test_a_model_is_no_better_than_itself(benchmark):
    line = benchmark(leave_one_out.main, "--model", "popularity", "--against", "popularity", data=RATINGS)
    for figure in ("all.hr@10", "all.ndcg@10", "99.hr@10", "99.ndcg@10"):
        assert f"{figure}_difference=0.00000 {figure}_low=0.00000 {figure}_high=0.00000" in line
    assert line.endswith("users=8")


def test_written_files_hold_the_same_split(benchmark, tmp_path):
    """Popularity has the same figures among the drawn items, whether by the files or by the ratings."""
    benchmark(ncf_files.main, "--out", str(tmp_path / "ncf"), data=RATINGS)
    split = leave_one_out.carve(ncf_files.read_ratings(tmp_path / "data"), seed=42)
    found = ncf.read_test(tmp_path / "ncf/test.tsv", tmp_path / "ncf/negatives.tsv")
    assert found.users.tolist() == split.users.tolist()
    assert found.items.tolist() == split.items.tolist()
    assert np.array_equal(found.negatives, split.negatives[:, : found.negatives.shape[1]])
    train = (tmp_path / "ncf/train.txt").read_text().splitlines()
    assert train[0] == "0 0 1 2"
