"""The benchmarks of one model on given files: what they read, print and refuse."""

import re
import sys

import numpy as np
import pytest

from benchmarks import accuracy, ratings, size, topn
from benchmarks.command import refuse_bad_input
from tasks.errors import UsageError


@pytest.fixture
def asked(monkeypatch, tmp_path, capsys):
    """Run a benchmark on files of these texts and return its last line."""

    def ask(main, *arguments, **texts):
        words = [main.__module__]
        for name, text in texts.items():
            path = tmp_path / name
            path.write_text(text)
            words += [f"--{name}", str(path)]
        monkeypatch.setattr(sys, "argv", [*words, *arguments])
        refuse_bad_input(main)
        return capsys.readouterr().out.splitlines()[-1]

    return ask


def test_accuracy_prints_what_popularity_finds_on_files_that_one_can_rank_by_hand(asked):
    # Items 1 and 2 have two users each, item 0 one: user 0 has seen 0 and 1 and is shown 2, then nothing else.
    line = asked(
        accuracy.main, "--model", "popularity",
        train="0 0 1\n1 1 2\n2 2\n", test="0 2\n1\n2 1 0\n",
    )  # fmt: skip
    assert re.fullmatch(
        r"recall@20=1\.00000 ndcg@20=1\.00000 fit_s=\d+\.\d score_s=\d+\.\d peak_mb=\d+", line
    )


def test_an_item_that_only_the_test_file_has_counts_as_missed(asked):
    line = asked(accuracy.main, "--model", "popularity", train="0 0\n1 1\n", test="0 1 7\n")
    assert line.startswith("recall@20=0.50000 ")


def test_options_of_the_model_are_taken_and_checked(asked, capsys):
    files = {"train": "0 0 1\n1 1 2\n", "test": "0 2\n"}
    assert asked(accuracy.main, "--model", "item_knn", "--set", "k=3", **files).startswith("recall@20=1.0")
    for option, said in {
        "k=-1": "models.item_knn.k is wrong",
        "kk=3": "no setting models.item_knn.kk",
        "k": "The option 'k' is not of the form option=value, such as factors=64.",
    }.items():
        with pytest.raises(SystemExit) as ended:
            asked(accuracy.main, "--model", "item_knn", "--set", option, **files)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


@pytest.fixture
def refused(asked, capsys):
    """Run a benchmark that must not go on; returns its exit code and what it said."""

    def refuse(main, *arguments, **texts):
        with pytest.raises(SystemExit) as ended:
            asked(main, *arguments, **texts)
        said = capsys.readouterr()
        assert not said.out
        return ended.value.code, said.err

    return refuse


def test_neither_the_environment_nor_a_settings_file_changes_the_model(asked, monkeypatch, tmp_path):
    monkeypatch.setenv("RECS_MODELS__ITEM_KNN__K", "nonsense")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.toml").write_text("[models.item_knn]\nk = -1\n")
    line = asked(accuracy.main, "--model", "item_knn", train="0 0 1\n1 1 2\n", test="0 2\n")
    assert line.startswith("recall@20=1.0")


def test_an_unknown_model_is_refused(refused):
    code, said = refused(accuracy.main, "--model", "item_knm", train="0 0\n", test="0 1\n")
    assert (code, "Did you mean 'item_knn'?" in said) == (2, True)


def test_a_model_that_is_made_of_others_is_refused(refused):
    code, said = refused(accuracy.main, "--model", "blend", train="0 0\n", test="0 1\n")
    assert (code, "There is no model 'blend'." in said) == (2, True)


def test_a_gpu_that_is_not_there_is_refused(refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for main in (accuracy.main, size.main):
        files = {"train": "0 0\n", "test": "0 1\n"} if main is accuracy.main else {}
        code, said = refused(main, "--model", "lightgcn", "--set", "device=cuda", **files)
        assert (code, "lightgcn cannot be trained on this machine" in said) == (2, True)


def test_a_fit_that_diverges_ends_in_one_sentence(refused):
    runaway = ("--set", "learning_rate=10", "--set", "regularization=10")
    files = {"train": "0 0 1\n1 1 2\n2 2 0\n", "test": "0 2\n"}
    code, said = refused(accuracy.main, "--model", "bpr", *runaway, **files)
    assert code == 1
    assert re.fullmatch(r"The fit failed\. bpr: .*diverged.*\.\n", said)


@pytest.mark.parametrize("text", ["", "0 one\n", "0 -1\n", "0\n1\n", f"0 {10**20}\n"])
def test_a_file_of_another_form_is_refused(tmp_path, text):
    path = tmp_path / "lists.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"lists\.txt"):
        accuracy.read_lists(path)


@pytest.mark.parametrize("wrong", [-1, 2**31, 10**12, 2**63 - 1])
def test_an_id_that_is_no_position_is_refused_with_its_line(tmp_path, wrong):
    path = tmp_path / "lists.txt"
    path.write_text(f"0 1 2\n\n1 {wrong} 3\n")
    with pytest.raises(UsageError, match=rf"Line 3 of .*lists\.txt holds {wrong}: .* from 0 to 2147483647"):
        accuracy.read_lists(path)


def test_ratings_prints_the_error_of_constant_ratings(asked):
    base = "".join(f"{user}\t{item}\t3\t0\n" for user in range(1, 6) for item in range(10, 15))
    line = asked(ratings.main, "--model", "mf", base=base, test="1\t10\t3\t0\n2\t99\t4\t0\n")
    assert re.fullmatch(r"rmse=0\.70711 mae=0\.50000 fit_s=\d+\.\d", line)


def test_a_model_that_only_ranks_is_refused(asked, capsys):
    with pytest.raises(SystemExit):
        asked(ratings.main, "--model", "popularity", base="1\t1\t3\t0\n", test="1\t1\t3\t0\n")
    assert "does not predict ratings" in capsys.readouterr().err


def test_a_pair_that_is_rated_twice_is_refused(refused):
    base = "1\t1\t3\t0\n1\t1\t4\t0\n"
    code, said = refused(ratings.main, "--model", "mf", base=base, test="1\t1\t3\t0\n")
    assert (code, "rates twice" in said) == (2, True)


def test_a_rating_that_is_no_number_is_refused(refused):
    code, said = refused(ratings.main, "--model", "mf", base="1\t1\tnan\t0\n", test="1\t1\t3\t0\n")
    assert (code, "not a finite number" in said) == (2, True)


def test_ids_become_positions_and_strangers_minus_one():
    found = ratings.dense(np.array([7.0, 3.0, 5.0]), np.array([3.0, 7.0]))
    assert found.tolist() == [1, 0, -1]


def test_size_makes_up_data_and_reports_time_and_memory(asked):
    line = asked(
        size.main, "--model", "item_knn", "--users", "60", "--items", "40", "--entries", "600", "--set", "k=5"
    )
    assert re.fullmatch(
        r"entries=(59|60)\d data_mb=\d+ fit_s=\d+\.\d fit_mb=\d+ score_s=\d+\.\d peak_mb=\d+", line
    )


def test_more_entries_than_can_be_drawn_are_refused(refused):
    sizes = ("--users", "10", "--items", "10", "--entries", "51")
    code, said = refused(size.main, "--model", "popularity", *sizes)
    assert (code, "51 entries are more than half of the 100 pairs" in said) == (2, True)


@pytest.mark.parametrize("entries", ["0", "-5", "many"])
def test_a_size_that_is_none_is_refused(refused, entries):
    code, said = refused(size.main, "--model", "popularity", "--entries", entries)
    assert (code, f"'{entries}' is not a whole number of at least 1" in said) == (2, True)


def test_topn_times_three_ways_to_the_same_lists(asked):
    line = asked(topn.main, "--users", "40", "--items", "50", "--factors", "4", "--n", "25")
    assert re.fullmatch(r"ours_s=\S+ implicit_s=\S+ gemm_s=\S+ extra_mb=\S+", line)


def test_longer_lists_than_there_are_items_are_refused(refused):
    code, said = refused(topn.main, "--users", "300", "--items", "50", "--n", "60")
    assert (code, "--n 60 is more than the 25 items that are left" in said) == (2, True)
