"""The growth of stages, with measurements that are made up."""

import json

import pytest

from benchmarks import growth
from benchmarks.child import Measurement
from benchmarks.results import read_results


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Replace all measurements; return the commands asked for."""
    asked = []

    def generated(like, scale, *, events, cache):
        folder = tmp_path / f"{round(scale * 25_000_095)}"
        folder.mkdir(exist_ok=True)
        assert not events
        return folder

    def measure(module, arguments, *, limit_s):
        asked.append((module, arguments))
        if module == "benchmarks.common_stages":
            ratings = int(arguments[1].rpartition("/")[2])
            return Measurement("c", {"land_s": ratings / 1e5, "land_mb": 300, "users": ratings // 100})
        if module == "benchmarks.publication":
            return Measurement("c", {"with_keys_per_s": 500_000, "peak_mb": 400})
        return Measurement("c", error="the night failed")

    monkeypatch.setattr(growth, "generated", generated)
    monkeypatch.setattr(growth, "measure", measure)
    return asked


def test_every_size_is_measured_and_exponents_are_printed(measured, benchmark, tmp_path, capsys):
    file = tmp_path / "results.json"
    last = benchmark(growth.main, "--millions", "4,1", "--nights-up-to", "1", "--json", str(file))
    assert last == "1,000,000 ratings, night: the night failed"
    points = read_results(file)["growth"]["points"]
    assert [point["ratings"] for point in points] == [1_000_000, 4_000_000]
    assert points[1]["stages"] == {
        "land": {"s": pytest.approx(40, rel=1e-5), "mb": 300},
        "publish": {"s": 8.0, "mb": 400},
    }
    assert points[1]["errors"] == {}
    modules = [module.removeprefix("benchmarks.") for module, _ in measured]
    assert modules == ["common_stages", "publication", "night", "common_stages", "publication"]


def test_without_figures_nothing_is_published(monkeypatch, measured, tmp_path):
    monkeypatch.setattr(growth, "measure", lambda *_, limit_s: Measurement("c", error="no memory"))
    point = growth.measure_size(1.0, "", tmp_path)
    assert point == {"ratings": 1_000_000, "stages": {}, "errors": {"common stages": "no memory"}}


def test_stages_of_a_night_are_added_by_name(tmp_path):
    stages = [
        {"stage": "utility", "model": None, "seconds": 2, "peak_mb": 300},
        {"stage": "utility", "model": None, "seconds": 3, "peak_mb": 200},
        {"stage": "fit", "model": "als", "seconds": 4, "peak_mb": 100},
    ]
    figures = {"total_s": 20, "peak_mb": 300}
    (tmp_path / "night.json").write_text(json.dumps({"figures": figures, "stages": stages}))
    assert growth.stages_of_night(tmp_path / "night.json") == {
        "night: utility": {"s": 5, "mb": 300},
        "night: fit als": {"s": 4, "mb": 100},
        "night: total": {"s": 20, "mb": 300},
    }


@pytest.mark.parametrize("text", ["", "1,x", "0,1", "-1"])
def test_sizes_that_are_no_numbers_are_refused(refused, text):
    code, error = refused(growth.main, f"--millions={text}")
    assert code == 2
    assert f"numbers above 0 with commas between them (given: {text})" in error
