"""tuned.toml: written and read, its precedence, and the nights that ignore it."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tasks.config.load import load_settings, night_settings
from tasks.config.settings import Settings
from tasks.config.tuned_settings import (
    Evidence,
    Tuned,
    TunedFile,
    evaluation_settings,
    read_tuned,
    write_tuned,
)
from tasks.errors import UsageError

AS_OF = datetime(2026, 11, 20, 23, 59, 59)
EVIDENCE = Evidence(
    "ndcg@10",
    0.25,
    0.24,
    0.01,
    0.001,
    0.02,
    399,
    40,
    42,
    'temporal: "early"',
    "abc",
    "2026-11-21T02:00:00+00:00",
    AS_OF,
    evaluation_settings(Settings()),
)
FOUND = {
    "als": Tuned({"factors": 173, "alpha": 1e-05, "regularization": 12.5}, EVIDENCE),
    "item_knn": Tuned({"similarity": "jaccard"}, EVIDENCE),
    "mf": Tuned({"implicit_term": True}, EVIDENCE),
}
AGAIN = "Run `recs tune` again, or set models.tuned=false to hear no more of it."


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tuned.toml"
    write_tuned(path, FOUND)
    return path


def night(file, *overrides, as_of=None):
    return night_settings(None, overrides, tuned=file, as_of=as_of)


def test_written_settings_are_read_back(file):
    assert read_tuned(file) == TunedFile(FOUND, {})


def test_evaluation_settings_are_written_readably(file):
    text = file.read_text()
    for line in (
        "as_of = 2026-11-20T23:59:59",
        "[evidence.als.night]",
        '"run.seed" = 42',
        '"split.temporal_share" = 0.1',
        '"utility.positive_events.like" = 1.0',
    ):
        assert f"\n{line}\n" in text


def test_no_file_is_written_when_nothing_is_found(file):
    write_tuned(file, {})
    assert not file.exists()
    assert read_tuned(file) == TunedFile({}, {})
    write_tuned(file, {})
    settings, notes = night(file)
    assert settings.model_dump() == load_settings().model_dump()
    assert notes == []


def test_operator_settings_override_tuned_ones(file, tmp_path):
    (tmp_path / "pipeline.toml").write_text("[models.als]\nfactors = 64\n")
    settings, _ = night(file, "models.als.alpha=3")
    als = settings.models.config("als")
    assert (als.factors, als.alpha, als.regularization, als.warm_share) == (64, 3, 12.5, 0.1)
    assert settings.models.config("item_knn").similarity == "jaccard"


def test_tuned_settings_can_be_switched_off(file):
    plain, notes = night(file, "models.tuned=false", "run.seed=1")
    assert plain.models.config("als").factors == 256
    assert notes == []


def test_notes_name_the_settings_in_use(file, monkeypatch):
    monkeypatch.setenv(
        "RECS_MODELS__ITEM_KNN__SIMILARITY", "jaccard"
    )  # the same value, but set by the operator
    _, notes = night(file, "models.mf.implicit_term=false")
    assert notes == [f"Tuned settings of als (2026-11-21), from {file}"]


# -- which nights they are for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("split.temporal_share=0.3", "split.temporal_share is 0.3 and was 0.1 when they were tuned"),
        ("split.cutoff=2024-06-01", 'split.cutoff is "2024-06-01" and was "" when they were tuned'),
        ("split.leave_last_n=9", "split.leave_last_n is 9 and was 0 when they were tuned"),
        ("run.seed=7", "run.seed is 7 and was 42 when they were tuned"),
        (
            "utility.relevant_rating=4",
            "utility.relevant_rating is 4.0 and was 3.5 when they were tuned",
        ),
        (
            "utility.positive_events.like=0",
            "utility.positive_events.like is unset and was 1.0 when they were tuned",
        ),
    ],
)
def test_ignored_with_reason_when_evaluation_differs(file, change, why):
    settings, notes = night(file, change)
    assert settings.model_dump() == load_settings(None, (change,)).model_dump()
    assert notes == [
        f"Without the tuned settings of als, item_knn, mf in {file}: {why}, so that they may have seen what this "
        f"night is judged on. {AGAIN}"
    ]


@pytest.mark.parametrize("change", ["run.parallel_fits=2", "judge.k=[10]", "utility.signals.tag.weight=3"])
def test_used_when_evaluation_is_the_same(file, change):
    settings, notes = night(file, change)
    assert settings.models.config("als").factors == 173
    assert len(notes) == 1


def test_ignored_by_earlier_nights(file):
    settings, [note] = night(file, as_of=datetime(2026, 11, 20))
    assert settings.model_dump() == load_settings().model_dump()
    assert "they were tuned on data up to 2026-11-20 23:59:59" in note
    assert "a night as of 2026-11-20 00:00:00" in note
    for as_of in (AS_OF, datetime(2027, 1, 1), None):
        assert night(file, as_of=as_of)[0].models.config("als").factors == 173


def test_ignored_when_the_file_has_no_evaluation_settings(file):
    write_tuned(
        file, {name: Tuned(t.settings, replace(EVIDENCE, as_of=None, night={})) for name, t in FOUND.items()}
    )
    settings, [note] = night(file)
    assert settings.model_dump() == load_settings().model_dump()
    assert "als, item_knn, mf" in note
    assert f"it is not known for what night they were tuned. {AGAIN}" in note


# -- what no longer fits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[models.als", "models = \xff"])
def test_a_damaged_file_is_a_usage_error(file, text):
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"tuned\.toml cannot be read") as caught:
        night(file)
    assert "Delete it" in caught.value.hint
    assert night(file, "models.tuned=false")[1] == []


@pytest.mark.parametrize(
    ("model", "settings", "why"),
    [
        ("bpr", {"factors": 0}, "The setting models.bpr.factors is wrong: it takes a whole number"),
        ("bpr", {"factor": 3}, "There is no setting models.bpr.factor"),
        ("vanished", {}, "there is no such model"),
    ],
)
def test_only_invalid_models_are_ignored(file, model, settings, why):
    write_tuned(file, {**FOUND, model: Tuned(settings, EVIDENCE)})
    taken, [used, left_out] = night(file)
    assert taken.models.config("als").factors == 173
    assert "als (2026-11-21), item_knn (2026-11-21), mf (2026-11-21)" in used
    assert left_out.startswith(f"Without the tuned settings of {model} in {file}: {why}")
    assert left_out.endswith(AGAIN)
    assert ".." not in left_out


@pytest.mark.parametrize("evidence", ["", "[evidence.als]\n", "[evidence]\nals = 3\n", "evidence = 3\n"])
def test_ignored_without_evidence(file, evidence):
    top = evidence if evidence.startswith("evidence") else ""
    file.write_text(f"{top}[models.als]\nfactors = 3\n{evidence if not top else ''}")
    settings, [note] = night(file)
    assert settings.model_dump() == load_settings().model_dump()
    assert "[evidence.als] is missing or damaged" in note


def test_ignored_when_model_is_no_table(file):
    file.write_text("[models]\nals = 3\n")
    settings, [note] = night(file)
    assert settings.model_dump() == load_settings().model_dump()
    assert "tuned settings of als" in note
