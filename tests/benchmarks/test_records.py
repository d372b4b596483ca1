"""The table of records: a row for each model on each carve, and the refusals."""

from __future__ import annotations

import sys

import pytest

from benchmarks import records
from benchmarks.child import Measurement
from benchmarks.command import refuse_bad_input

FIGURES = {"recall@20": 0.25, "ndcg@20": 0.125, "fit_s": 3.0, "score_s": 1.0, "peak_mb": 300.0}


@pytest.fixture
def folder(tmp_path):
    for name in ("train.txt", "valid.txt"):
        (tmp_path / name).write_text("0 1\n")
    return tmp_path


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["records", *words])
    refuse_bad_input(records.main)


def test_each_model_has_a_row(monkeypatch, folder, capsys):
    asked = []

    def measure(module, words, *, limit_s):
        asked.append(words)
        better = FIGURES | {"recall@20": 0.5, "fit_s": 9.0}
        return Measurement(module, better if "blend" in words else FIGURES)

    monkeypatch.setattr(records, "measure", measure)
    run(monkeypatch, "--models", "als,blend", "--members", "als,bpr", "--folder", str(folder))
    printed = capsys.readouterr().out
    assert "| `als` | 0.2500 / 0.1250 | 3 | 1 | 300 |" in printed
    assert "| `blend` | 0.5000 / 0.1250 | 9 | 1 | 300 |" in printed
    assert printed.splitlines()[-1] == f"best_{folder.name}=0.5000"
    assert ["--members" in words for words in asked] == [False, True]


def test_a_model_that_failed_is_named(monkeypatch, folder, capsys):
    monkeypatch.setattr(records, "measure", lambda *_, limit_s: Measurement("the command", error="it broke"))
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--models", "als", "--folder", str(folder))
    printed = capsys.readouterr()
    assert ended.value.code != 0
    assert "| `als` | it broke |" in printed.out
    assert "Not measured: the command." in printed.err


@pytest.mark.parametrize(
    ("models", "there", "why"),
    [("als", False, "There is no "), ("alz", True, "Did you mean 'als'?")],
)
def test_what_is_not_there_is_refused(monkeypatch, folder, capsys, models, there, why):
    if not there:
        (folder / "valid.txt").unlink()
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--models", models, "--folder", str(folder))
    assert (ended.value.code, why in capsys.readouterr().err) == (2, True)
