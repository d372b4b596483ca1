"""The benchmarks of one model on small files: what they read, print and refuse."""

import re

import numpy as np
import pytest

from benchmarks import accuracy, ratings, size, topn
from tasks.errors import UsageError


def test_accuracy_of_popularity_matches_a_hand_ranking(benchmark):
    # Items 1 and 2 have two users each, item 0 one: user 0 has seen 0 and 1 and is shown 2, then nothing else.
    line = benchmark(
        accuracy.main, "--model", "popularity",
        train="0 0 1\n1 1 2\n2 2\n", test="0 2\n1\n2 1 0\n",
    )  # fmt: skip
    assert re.fullmatch(
        r"recall@20=1\.00000 ndcg@20=1\.00000 recall@20_cold=1\.00000 ndcg@20_cold=1\.00000 "
        r"fit_s=\d+\.\d score_s=\d+\.\d peak_mb=\d+",
        line,
    )


def test_an_item_only_in_the_test_file_counts_as_missed(benchmark):
    line = benchmark(accuracy.main, "--model", "popularity", train="0 0\n1 1\n", test="0 1 7\n")
    assert line.startswith("recall@20=0.50000 ")


def test_accuracy_is_printed_at_each_length_of_k(benchmark):
    """Item 1 has two users, 2 and 3 one: user 2 is shown item 1 first, and wants all three."""
    files = {"train": "0 0 1\n1 0 1 2\n3 0 3\n2 0\n", "test": "2 1 2 3\n"}
    line = benchmark(accuracy.main, "--model", "popularity", "--k", "1,3,1", **files)
    assert re.match(
        r"recall@1=0\.33333 ndcg@1=1\.00000 recall@3=1\.00000 ndcg@3=1\.00000 recall@1_cold=", line
    )


def test_cold_figures_count_only_items_of_fewer_than_five_users(benchmark):
    """User 9 is shown item 0 (five users) and 1 (four) first; item 2 is never liked. User 8 wants item 0 alone."""
    train = "".join(f"{user} 0 {'1' if user else ''}\n" for user in range(5)) + "8 5\n9 5\n"
    line = benchmark(accuracy.main, "--model", "popularity", train=train, test="8 0\n9 0 1 2\n")
    gains = 1 / np.log2(3) / (1 + 1 / np.log2(3))
    assert line.startswith(f"recall@20={(1 + 2 / 3) / 2:.5f} ")
    assert f" recall@20_cold=0.50000 ndcg@20_cold={gains:.5f} " in line


def test_cold_figures_are_nan_without_cold_test_items(benchmark):
    train = "".join(f"{user} 0\n" for user in range(5)) + "8 5\n"
    line = benchmark(accuracy.main, "--model", "popularity", train=train, test="8 0\n")
    assert " recall@20_cold=nan ndcg@20_cold=nan " in line


@pytest.mark.parametrize("k", ["0", "10,", "-1", "ten", "10;20", ""])
def test_a_list_length_that_is_no_number_is_refused(refused, k):
    code, error = refused(accuracy.main, "--model", "popularity", f"--k={k}", train="0 0\n", test="0 1\n")
    assert (code, "argument --k: " in error, "is not a whole number of at least 1" in error) == (
        2,
        True,
        True,
    )


def test_options_of_the_model_are_used_and_checked(benchmark, capsys):
    files = {"train": "0 0 1\n1 1 2\n", "test": "0 2\n"}
    assert benchmark(accuracy.main, "--model", "item_knn", "--set", "k=3", **files).startswith(
        "recall@20=1.0"
    )
    for option, message in {
        "k=-1": "models.item_knn.k is wrong",
        "kk=3": "no setting models.item_knn.kk",
        "k": "The option 'k' is not of the form option=value, such as factors=64.",
    }.items():
        with pytest.raises(SystemExit) as ended:
            benchmark(accuracy.main, "--model", "item_knn", "--set", option, **files)
        assert ended.value.code == 2
        assert message in capsys.readouterr().err


def test_environment_and_settings_file_are_ignored(benchmark, monkeypatch, tmp_path):
    monkeypatch.setenv("RECS_MODELS__ITEM_KNN__K", "nonsense")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.toml").write_text("[models.item_knn]\nk = -1\n")
    line = benchmark(accuracy.main, "--model", "item_knn", train="0 0 1\n1 1 2\n", test="0 2\n")
    assert line.startswith("recall@20=1.0")


def test_an_unknown_model_is_refused(refused):
    code, error = refused(accuracy.main, "--model", "item_knm", train="0 0\n", test="0 1\n")
    assert (code, "Did you mean 'item_knn'?" in error) == (2, True)


def test_a_blend_learns_inside_the_training_part(benchmark):
    """Users like most items of their parity; the test has one that each has not met."""
    rng = np.random.default_rng(0)
    kept = [[i for i in range(u % 2, 40, 2) if rng.random() < 0.7] for u in range(120)]
    test = [next(i for i in range(u % 2, 40, 2) if i not in mine) for u, mine in enumerate(kept)]
    train, tested = (
        "".join(f"{u} {' '.join(map(str, items))}\n" for u, items in enumerate(lists))
        for lists in (kept, [[item] for item in test])
    )
    line = benchmark(
        accuracy.main, "--model", "blend", "--members", "popularity,item_knn", "--set", "item_knn.k=9",
        train=train, test=tested,
    )  # fmt: skip
    assert float(re.match(r"recall@20=(\S+)", line)[1]) > 0.95


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--model", "blend", "--members", "als,als"), "A member is named twice"),
        (("--model", "blend", "--members", "als", "--set", "ease.dropout=.1"), "is no option of a member"),
        (("--model", "blend", "--members", "als,popularity"), "needs 30 users"),
        (("--model", "als", "--members", "als"), "The model als has no members."),
    ],
)
def test_a_blend_that_cannot_be_is_refused(refused, options, why):
    code, error = refused(accuracy.main, *options, train="0 0\n1 1 2\n", test="0 1\n")
    assert (code, why in error) == (2, True)


def test_a_missing_gpu_is_refused(refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for main in (accuracy.main, size.main):
        files = {"train": "0 0\n", "test": "0 1\n"} if main is accuracy.main else {}
        code, error = refused(main, "--model", "lightgcn", "--set", "device=cuda", **files)
        assert (code, "lightgcn cannot be trained on this machine" in error) == (2, True)


def test_a_diverging_fit_ends_in_one_sentence(refused):
    runaway = ("--set", "learning_rate=10", "--set", "regularization=10")
    files = {"train": "0 0 1\n1 1 2\n2 2 0\n", "test": "0 2\n"}
    code, error = refused(accuracy.main, "--model", "bpr", *runaway, **files)
    assert code == 1
    assert re.fullmatch(r"The fit failed\. bpr: .*diverged.*\.", error.splitlines()[-1])


@pytest.mark.parametrize("text", ["", "0 one\n", "0 -1\n", "0\n1\n", f"0 {10**20}\n"])
def test_a_file_of_another_format_is_refused(tmp_path, text):
    path = tmp_path / "lists.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"lists\.txt"):
        accuracy.read_lists(path)


@pytest.mark.parametrize("faulty", [-1, 2**31, 10**12, 2**63 - 1])
def test_an_id_out_of_range_is_refused_with_its_line(tmp_path, faulty):
    path = tmp_path / "lists.txt"
    path.write_text(f"0 1 2\n\n1 {faulty} 3\n")
    with pytest.raises(UsageError, match=rf"Line 3 of .*lists\.txt holds {faulty}: .* from 0 to 2147483647"):
        accuracy.read_lists(path)


def test_ratings_prints_the_error_of_constant_ratings(benchmark):
    base = "".join(f"{user}\t{item}\t3\t0\n" for user in range(1, 6) for item in range(10, 15))
    line = benchmark(ratings.main, "--model", "mf", base=base, test="1\t10\t3\t0\n2\t99\t4\t0\n")
    assert re.fullmatch(r"rmse=0\.70711 mae=0\.50000 fit_s=\d+\.\d", line)


def test_ratings_of_a_csv_file_follow_its_header(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,10,3.5,0\n1,11,4,5\n")
    assert ratings.read_ratings(path).tolist() == [[1, 10, 3.5, 0], [1, 11, 4, 5]]


def test_ratings_refuses_a_model_that_only_ranks(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark(ratings.main, "--model", "popularity", base="1\t1\t3\t0\n", test="1\t1\t3\t0\n")
    assert "does not predict ratings" in capsys.readouterr().err


def test_a_pair_rated_twice_is_refused(refused):
    base = "1\t1\t3\t0\n1\t1\t4\t0\n"
    code, error = refused(ratings.main, "--model", "mf", base=base, test="1\t1\t3\t0\n")
    assert (code, "second ratings of the same user and item" in error) == (2, True)


def test_a_rating_that_is_not_finite_is_refused(refused):
    code, error = refused(ratings.main, "--model", "mf", base="1\t1\tnan\t0\n", test="1\t1\t3\t0\n")
    assert (code, "not a finite number" in error) == (2, True)


def test_positions_are_minus_one_for_unknown_ids():
    found = ratings.positions(np.array([7.0, 3.0, 5.0]), np.array([3.0, 7.0]))
    assert found.tolist() == [1, 0, -1]


def test_size_gives_models_side_data_to_read():
    rng = np.random.default_rng(1)
    data = size.with_random_side_data(size.synthetic_interactions(40, 30, 300, rng), rng)
    assert data.links is not None
    assert (data.links != data.links.T).nnz == 0
    assert (np.diff(data.item_features.indptr) > 2).all()
    assert data.relations is not None
    assert data.relations.triples[:, 0].tolist() == list(range(30))
    assert data.timestamp.data.min() > 0


def test_size_reports_time_and_memory(benchmark):
    line = benchmark(
        size.main, "--model", "item_knn", "--users", "60", "--items", "40", "--entries", "600", "--set", "k=5"
    )
    assert re.fullmatch(
        r"entries=(59|60)\d data_mb=\d+ fit_s=\d+\.\d fit_mb=\d+ score_s=\d+\.\d peak_mb=\d+", line
    )


def test_more_entries_than_half_the_pairs_are_refused(refused):
    sizes = ("--users", "10", "--items", "10", "--entries", "51")
    code, error = refused(size.main, "--model", "popularity", *sizes)
    assert (code, "51 entries are more than half of the 100 pairs" in error) == (2, True)


@pytest.mark.parametrize("entries", ["0", "-5", "many"])
def test_a_size_that_is_no_number_above_zero_is_refused(refused, entries):
    code, error = refused(size.main, "--model", "popularity", "--entries", entries)
    assert (code, f"'{entries}' is not a whole number of at least 1" in error) == (2, True)


def test_topn_times_both_families_and_the_blend(benchmark):
    line = benchmark(topn.main, "--users", "40", "--items", "50", "--factors", "4", "--n", "25")
    number = r"\d+\.\d+"
    assert re.fullmatch(
        rf"factor_ratio={number} item_item_ratio={number} blend_ratio={number} similar_s={number}", line
    )


def test_topn_refuses_a_folder_that_is_no_snapshot(refused, tmp_path):
    code, error = refused(topn.main, "--snapshot", str(tmp_path))
    assert (code, "holds no positive.npz: give the folder of a snapshot" in error) == (2, True)


def test_lists_longer_than_the_unseen_items_are_refused(refused):
    code, error = refused(topn.main, "--users", "300", "--items", "50", "--n", "60")
    assert (code, "--n 60 is more than the 25 items that are left" in error) == (2, True)
