"""The collection of all benchmarks, with measurements that are made up."""

import json
import sys
from importlib import import_module

import pytest

from benchmarks import collect, growth, suite
from benchmarks.child import Measurement
from benchmarks.peers.compare import Outcome
from benchmarks.peers.shelf import Peer
from benchmarks.peers_section import peers_section
from benchmarks.results import read_results
from tasks.errors import NightError

COSINE = Outcome(Peer("implicit", "cosine", "item-item", "K 200"), "0.7.3", 1.5, 2.0, 300.2, 0.1, 0.05)
SLOW = Outcome(Peer("recbole", "BPR", "factors", "defaults"), note="3 epochs", fault="ended after 900 s")
REPORT = {
    "pandas": {"total_s": 2.46, "peak_mb": 310.0, "version": "3.0.0"},
    "models": [COSINE.row(), SLOW.row()],
}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Replace all measurements, each of which gives a figure; return a copy of the page."""
    monkeypatch.setattr(suite, "generated", lambda *_, **__: tmp_path / "data")
    monkeypatch.setattr(growth, "generated", lambda *_, **__: tmp_path / "data")
    monkeypatch.setattr(suite, "measure", lambda module, words, limit_s: Measurement(module, {"ratio": 4.0}))
    monkeypatch.setattr(
        growth, "measure", lambda module, words, limit_s: Measurement(module, {"land_s": 1.0, "land_mb": 9.0})
    )
    monkeypatch.setattr(collect, "generated", lambda *_, **__: tmp_path / "data")
    monkeypatch.setattr(
        collect, "measure_peers", lambda data, machine: peers_section(REPORT, machine, data.name)
    )
    copy = tmp_path / "benchmarks.md"
    copy.write_text(collect.PAGE.read_text(encoding="utf-8"))
    return copy


def run(monkeypatch, page, *options):
    """Run the collection; return the results."""
    file = page.with_name("results.json")
    monkeypatch.setattr(sys, "argv", ["collect", "--json", str(file), "--page", str(page), *options])
    collect.main()
    return read_results(file)


def test_a_quick_run_writes_json_and_page(monkeypatch, page):
    results = run(monkeypatch, page)
    steps = results["bench"]["measurements"]
    assert list(steps) == [name for name, step in suite.STEPS.items() if step.quick is not None]
    assert steps["landing"]["commit"] == results["bench"]["machine"]["commit"]
    assert [point["ratings"] for point in results["growth-quick"]["points"]] == [100_000, 500_000, 1_000_000]
    assert "at most 5 × | 4 × | kept" in page.read_text()
    assert "Not measured yet: `make bench-full`." in page.read_text()


def test_a_full_run_has_every_step(monkeypatch, page):
    results = run(monkeypatch, page, "--full")
    assert list(results["bench-full"]["measurements"]) == list(suite.STEPS)
    assert len(results["growth"]["points"]) == 4


def test_some_steps_replace_only_their_own_figures(monkeypatch, page):
    run(monkeypatch, page)
    monkeypatch.setattr(suite, "measure", lambda module, words, limit_s: Measurement(module, {"ratio": 8.0}))
    steps = run(monkeypatch, page, "--only", "landing")["bench"]["measurements"]
    assert (steps["landing"]["figures"], steps["topn"]["figures"]) == ({"ratio": 8}, {"ratio": 4})


def test_what_failed_is_kept_and_ends_with_1(monkeypatch, page):
    monkeypatch.setattr(
        suite, "measure", lambda module, words, limit_s: Measurement(module, error="it broke")
    )
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, page, "--only", "landing,night")
    assert ended.value.code == 1
    assert "it broke" in page.read_text()


def test_write_measures_nothing(monkeypatch, page):
    run(monkeypatch, page, "--only", "landing")
    before = page.read_text()
    monkeypatch.setattr(suite, "measure", None)
    page.write_text(before.replace("| 4 × | kept", "| 9 × | kept"))
    run(monkeypatch, page, "--write")
    assert page.read_text() == before


def test_an_unknown_step_is_refused(refused):
    code, error = refused(collect.main, "--only", "landings")
    assert code == 2
    assert "There is no step 'landings'. Steps: generation, landing," in error


def test_data_stands_for_the_generated_folder(monkeypatch, page, tmp_path):
    asked = {}
    monkeypatch.setattr(
        suite,
        "measure",
        lambda module, words, limit_s: asked.update({module: words}) or Measurement(module, {"x": 1}),
    )
    run(monkeypatch, page, "--only", "night,topn")
    assert asked["benchmarks.night"] == ["--folder", str(tmp_path / "data"), "--models", suite.MODELS]
    assert "DATA" not in asked["benchmarks.topn"]
    snapshot = asked["benchmarks.topn"][-1]
    assert asked["benchmarks.common_stages"][-1] == snapshot != "SNAPSHOT"


@pytest.mark.parametrize("module", sorted({step.module for step in suite.STEPS.values()}))
def test_every_step_is_a_benchmark_with_a_command(module):
    assert callable(import_module(module).main)


@pytest.mark.parametrize(("options", "times"), [(("--full",), 1), ((), 0), (("--only", "peers"), 1)])
def test_other_libraries_have_a_section(monkeypatch, page, options, times):
    assert run(monkeypatch, page, *options).keys() >= {"peers"} if times else True
    assert page.read_text().count("| implicit | 0.7.3 | cosine |") == times


def test_a_failed_comparison_ends_with_1_and_keeps_the_rest(monkeypatch, page):
    def fail(*_):
        raise NightError("pandas failed: killed")

    monkeypatch.setattr(collect, "measure_peers", fail)
    with pytest.raises(SystemExit):
        run(monkeypatch, page, "--full")
    assert len(read_results(page.with_name("results.json"))["bench-full"]["measurements"]) == len(suite.STEPS)


def test_a_comparison_of_ones_own_is_taken(monkeypatch, page, tmp_path):
    file = tmp_path / "own.json"
    file.write_text(json.dumps(REPORT))
    run(monkeypatch, page, "--write", "--peers", str(file))
    assert (
        "| item-item | implicit | 0.7.3 | cosine | K 200 | 1.5 | 2.0 | 300 | 0.1000 | 0.0500 |  |"
        in page.read_text()
    )
    assert "| ended after 900 s; 3 epochs |" in page.read_text()
    assert (
        "| data | pandas | 3.0.0 |  | read, clean, matrices, all in memory | 2.5 |  | 310 |"
        in page.read_text()
    )


def test_rows_of_the_same_models_are_replaced(monkeypatch, page, tmp_path):
    file = tmp_path / "own.json"
    file.write_text(json.dumps(REPORT))
    run(monkeypatch, page, "--write", "--peers", str(file))
    file.write_text(json.dumps({"models": [SLOW._replace(fault="", note="", recall=0.2).row()]}))
    section = run(monkeypatch, page, "--write", "--peers", str(file))["peers"]
    assert [row[1] for row in section["rows"]] == ["pandas", "implicit", "recbole"]
    assert section["rows"][-1][section["columns"].index("recall")] == "0.2000"
    assert section["notes"][-1].startswith("Measured again: recbole, ")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"models": [1]}'])
def test_another_file_is_refused(refused, tmp_path, text):
    (tmp_path / "own.json").write_text(text)
    options = ["--write", "--peers", str(tmp_path / "own.json"), "--json", str(tmp_path / "results.json")]
    code, error = refused(collect.main, *options)
    assert (code, "own.json is no report of the peers" in error) == (2, True)
    assert not (tmp_path / "results.json").exists()
