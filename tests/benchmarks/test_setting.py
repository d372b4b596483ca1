"""The comparison of two settings: what it prints, and that it publishes and writes nothing outside its own home."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks import setting
from benchmarks.command import refuse_bad_input
from tasks.datasets.synthetic.generate import generate_demo

LINE = re.compile(r"ndcg@10=(\S+) against=(\S+) difference=(\S+) low=(\S+) high=(\S+) users=(\d+)")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "tiny"
    generate_demo(folder, users=150, items=200, ratings=6000, tags=500, seed=2)
    return folder


@pytest.fixture
def compare(monkeypatch, capsys, tmp_path):
    """Run the benchmark in an empty folder; return its output."""

    def run(dataset, *arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["setting", str(dataset), *arguments])
        refuse_bad_input(setting.main)
        return capsys.readouterr().out

    return run


def test_the_difference_is_that_of_the_means(compare, dataset):
    printed = compare(
        dataset, "--model", "item_knn", "--set", "k=1", "--against", "k=20", "--set", "shrink=5"
    )
    a, b, difference, low, high, users = map(float, LINE.fullmatch(printed.splitlines()[-1]).groups())
    assert 0 < a < 1
    assert 0 < b < 1
    assert difference == pytest.approx(a - b, abs=2e-5)
    assert difference != 0
    assert low < difference < high
    assert 20 < users < 130, "about half of those that can be held out"
    assert re.search(r"ndcg@10 \S+ \[\S+, \S+\]  k=1 shrink=5\n", printed)


def test_equal_settings_have_no_difference(compare, dataset):
    printed = compare(dataset, "--model", "popularity", "--seed", "7")
    assert "difference=0.00000 low=0.00000 high=0.00000" in printed


def test_nothing_is_published_and_model_variables_are_ignored(compare, dataset, monkeypatch, tmp_path):
    monkeypatch.setenv("RECS_PUBLISH__URL", f"sqlite:///{tmp_path / 'mine.db'}")
    monkeypatch.setenv("RECS_MODELS__ITEM_KNN__K", "1")
    printed = compare(dataset, "--model", "item_knn", "--against", "k=1")
    assert "difference=0.00000" not in printed
    assert list(Path().iterdir()) == []


def test_a_diverging_fit_ends_in_one_sentence(compare, dataset, capsys):
    with pytest.raises(SystemExit) as ended:
        compare(dataset, "--model", "bpr", "--set", "learning_rate=10", "--set", "regularization=10")
    assert ended.value.code == 1
    last_line = capsys.readouterr().err.splitlines()[-1]  # after the progress of a slow fit
    assert re.fullmatch(r"The fit failed\. bpr: .*diverged.*\.", last_line)
