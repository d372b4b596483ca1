"""The place of artifacts: OK, to be moved to, and out of reach."""

from __future__ import annotations

from pathlib import Path

from tasks.config.engine_settings import EngineSettings
from tasks.diagnosis.artifacts import examine_artifacts
from tasks.diagnosis.finding import examine_all
from tasks.storage.artifact_place import place_artifacts
from tasks.storage.home import make_home


def test_the_place_of_artifacts_is_examined(tmp_path: Path) -> None:
    home, shared = make_home(tmp_path / "home", "tiny"), tmp_path / "shared"
    assert examine_artifacts(home, EngineSettings()).verdict == "OK"
    settings = EngineSettings(artifacts=str(shared))
    [absent] = examine_all([("Artifacts", lambda: examine_artifacts(home, settings))])
    assert (absent.verdict, "does not exist" in absent.seen) == ("bad", True)
    shared.mkdir()
    new = examine_artifacts(home, settings)
    assert (new.verdict, f"takes them to {shared}" in new.seen) == ("look", True)
    assert list(shared.iterdir()) == []
    place_artifacts(home, str(shared))
    assert examine_artifacts(home, settings).seen == f"in {shared}"
