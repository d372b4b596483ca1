"""tuned.toml: written and read, between the defaults and what the operator says."""

from pathlib import Path

import pytest

from tasks.configure import load_settings, tuned_in_use
from tasks.errors import UsageError
from tasks.tuned import Evidence, Tuned, read_tuned, write_tuned

EVIDENCE = Evidence(
    "ndcg@10",
    0.25,
    0.24,
    0.01,
    -0.001,
    0.02,
    399,
    40,
    42,
    'temporal: "early"',
    "abc",
    "2026-11-21T02:00:00+00:00",
)
FOUND = {
    "als": Tuned({"factors": 173, "alpha": 1e-05, "regularization": 12.5}, EVIDENCE),
    "item_knn": Tuned({"similarity": "jaccard"}, EVIDENCE),
    "mf": Tuned({"implicit_term": True}, EVIDENCE),
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tuned.toml"
    write_tuned(path, FOUND)
    return path


def test_what_was_written_is_read(file):
    assert read_tuned(file) == FOUND


def test_nothing_found_is_no_file(file):
    write_tuned(file, {})
    assert not file.exists()
    assert read_tuned(file) == {}
    write_tuned(file, {})


def test_tuned_settings_come_before_what_the_operator_wrote(file, tmp_path):
    (tmp_path / "pipeline.toml").write_text("[models.als]\nfactors = 64\n")
    settings = load_settings(None, ("models.als.alpha=3",), tuned=file)
    als = settings.models.config("als")
    assert (als.factors, als.alpha, als.regularization, als.iterations) == (64, 3, 12.5, 10)
    assert settings.models.config("item_knn").similarity == "jaccard"


def test_tuned_settings_can_be_left_out(file):
    plain = load_settings(None, ("models.tuned=false",), tuned=file)
    assert plain.models.config("als").factors == 256
    assert tuned_in_use(plain, file) == ""


def test_a_night_says_which_are_in_use(file):
    settings = load_settings(None, ("models.mf.implicit_term=false",), tuned=file)
    note = tuned_in_use(settings, file)
    assert note == f"Tuned settings of als (2026-11-21), item_knn (2026-11-21), from {file}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[models.als", "cannot be read"),
        ("[models.als]\nfactors = 3\n", "cannot be read"),
        ("[models.als]\nfactors = 0\n[evidence.als]\n", "cannot be read"),
        ("models = 3\n", "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_sentence(file, text, message):
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        load_settings(None, tuned=file)
    assert "Delete it" in caught.value.hint


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("als", {"factors": 0}, "The setting models.als.factors is wrong: it takes a whole number"),
        ("als", {"factor": 3}, "There is no setting models.als.factor"),
        ("vanished", {}, "a model 'vanished', which is not there"),
    ],
)
def test_settings_that_no_model_takes_any_more_are_one_sentence(file, model, settings, message):
    write_tuned(file, {model: Tuned(settings, EVIDENCE)})
    with pytest.raises(UsageError, match=message):
        load_settings(None, tuned=file)
