"""Where each setting comes from: --set, the environment, a line of the file, tuned settings, or the default."""

from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.config.origins import DEFAULT, in_section, settings_with_origins
from tasks.errors import UsageError

FILE = """\
# a comment
[split]
method = "leave_last"

[models.als]
factors = 32

[utility.signals]
rating = { source = "ratings", weight = 2.0 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.toml"
    path.write_text(FILE)
    return path


def found(path: Path | None, *overrides: str, tuned: Path | None = None) -> dict:
    return {each.name: each for each in settings_with_origins(path, overrides, tuned=tuned)}


def test_every_setting_has_its_origin(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_SPLIT__CUTOFF", "2024-01-31")
    monkeypatch.setenv("RECS_JUDGE", '{"min_users": 40}')
    settings = found(file, "models.als.alpha=3", "recommend.n=50")
    assert settings["split.method"][1:] == ("leave_last", f"{file}:3")
    assert settings["models.als.factors"][1:] == (32, f"{file}:6")
    assert settings["utility.signals.rating.weight"][1:] == (2.0, f"{file}:9")
    assert settings["split.cutoff"].origin == "RECS_SPLIT__CUTOFF"
    assert settings["judge.min_users"][1:] == (40, "RECS_JUDGE")
    assert settings["models.als.alpha"][1:] == (3, "--set")
    assert settings["recommend.n"][1:] == (50, "--set")
    assert settings["run.seed"][1:] == (42, DEFAULT)


def test_the_stronger_origin_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_SPLIT__METHOD", "temporal")
    assert found(file)["split.method"][1:] == ("temporal", "RECS_SPLIT__METHOD")
    assert found(file, "split.method=leave_last")["split.method"][1:] == ("leave_last", "--set")


def test_values_are_those_in_force(file: Path) -> None:
    settings, loaded = found(file), load_settings(file)
    assert settings["split.temporal_share"].value == loaded.split.temporal_share
    assert settings["models.shelf"].value == list(loaded.models.shelf)
    assert len(settings) > 150


def test_addresses_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_PUBLISH__URL", "postgresql://u:secret@host/db")
    monkeypatch.setenv("RECS_NOTIFY__URL", "json://user:secret@host")
    monkeypatch.setenv("RECS_TRACKING__URI", "https://me:secret@mlflow.example")
    settings = found(None)
    assert "secret" not in str(settings)
    assert settings["publish.url"].origin == "RECS_PUBLISH__URL"
    assert settings["tracking.uri"].value == "(hidden)"


def test_changed_settings_are_those_that_differ(file: Path) -> None:
    settings = found(file, "run.seed=42", "recommend.n=50")
    changed = {name for name, each in settings.items() if each.is_changed}
    assert {"split.method", "models.als.factors", "recommend.n"} <= changed
    assert "run.seed" not in changed
    assert not any(each.is_changed for each in found(None).values())


def test_a_section_or_a_setting_is_found() -> None:
    settings = settings_with_origins(None, ("models.als.factors=8",))
    assert [each.name for each in in_section(settings, "models.als")] == ["models.als.factors"]
    assert {each.name.partition(".")[0] for each in in_section(settings, "split")} == {"split"}
    assert len(in_section(settings, "split.method")) == 1
    with pytest.raises(UsageError, match="no setting splt") as caught:
        in_section(settings, "splt")
    assert caught.value.hint.startswith("Did you mean 'split'?")
