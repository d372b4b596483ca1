"""Figures and table of a night's benchmark; one whole night."""

import json

import pytest

from benchmarks import night
from benchmarks.last_line import from_text
from tasks.datasets.synthetic.generate import generate_demo
from tasks.errors import NightError
from tasks.storage.run_records import StageTime

STAGES = [
    StageTime("land", None, 2.0, 300.0, stored=False, note="7 files"),
    StageTime("clean", None, 3.0, 500.0, stored=False, note=""),
    StageTime("utility", None, 4.0, 400.0, stored=False, note=""),
    StageTime("fit", "als", 5.0, 450.0, stored=False, note=""),
    StageTime("utility", None, 6.0, 460.0, stored=False, note=""),
    StageTime("evaluate", "als", 7.0, 470.0, stored=False, note=""),
    StageTime("recommend", "als", 8.0, 480.0, stored=False, note=""),
    StageTime("publish", None, 9.0, 490.0, stored=False, note=""),
    StageTime("report", None, 1.0, 490.0, stored=False, note=""),
]


def test_stages_are_summed_by_their_group():
    assert night.summed(STAGES, 60.0) == {
        "total_s": 60,
        "peak_mb": 500,
        "land_s": 5,
        "utility_s": 10,
        "fit_s": 5,
        "score_s": 15,
        "publish_s": 9,
    }


def test_table_has_a_line_for_each_stage():
    head, first, *others = night.stage_table(STAGES).splitlines()
    assert head.split() == ["s", "MB", "stage"]
    assert first.split() == ["2.0", "300", "land", "7", "files"]
    assert len(others) == len(STAGES) - 1


def test_settings_of_the_caller_do_not_count():
    given = {"RECS_HOME": "x", "PREFECT_API_URL": "y", "OMP_NUM_THREADS": "1", "PYTHONPATH": "z"}
    assert night.environment(given) == {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(night.ROOT)}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--like", "ml-20m", "--like takes ml-1m"),
        ("--scale", "0", "--scale takes a number of at least 0.001 (given: 0.0)"),
        ("--scale", "nan", "--scale takes a number"),
        ("--folder", "nowhere", "There is no nowhere/ratings.csv"),
    ],
)
def test_bad_input_is_refused(refused, option, value, said):
    code, error = refused(night.main, option, value)
    assert (code, said in error) == (2, True)


@pytest.mark.slow
def test_a_whole_night_is_measured(benchmark, tmp_path):
    data, file = tmp_path / "data", tmp_path / "night.json"
    generate_demo(data, users=150, items=120, ratings=6000, tags=100, seed=3)
    last = benchmark(
        night.main,
        "--folder",
        str(data),
        "--models",
        "popularity",
        "--set",
        "recommend.n=5",
        "--json",
        str(file),
    )
    figures = from_text(last)
    assert list(figures) == [
        "total_s",
        "peak_mb",
        "land_s",
        "utility_s",
        "fit_s",
        "score_s",
        "publish_s",
    ]
    assert figures["total_s"] > sum(value for name, value in figures.items() if name[-2:] == "_s") / 2
    stages = json.loads(file.read_text())["stages"]
    assert {"land", "utility", "recommend", "publish"} <= {stage["stage"] for stage in stages}


@pytest.mark.slow
def test_a_night_that_fails_says_why(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/ratings.csv").write_text("nothing\n1\n")
    with pytest.raises(NightError) as failed:
        night.run_night(tmp_path / "data", tmp_path, [])
    assert "exit code 2" in str(failed.value)
    assert "userId" in failed.value.hint
