"""Examines the place where artifacts lie: the home, a folder that machines share, or an address."""

from __future__ import annotations

from tasks.config.engine_settings import EngineSettings
from tasks.diagnosis.finding import Finding
from tasks.storage.artifact_place import check_place
from tasks.storage.home import Home


def examine_artifacts(home: Home, settings: EngineSettings) -> Finding:
    """Return where artifacts lie, and whether they can be written there; a small file is written and removed.

    Args:
        home: the home.
        settings: the table `[engine]`, whose `artifacts` names the place.

    Raises:
        NightError: they cannot.
    """
    check_place(home, settings.artifacts)
    there, wanted = (place or f"{home.path / 'artifacts'}" for place in (home.place, settings.artifacts))
    if there == wanted:
        return Finding("Artifacts", "OK", f"in {there}")
    return Finding(
        "Artifacts", "look", f"in {there}; the next night takes them to {wanted}",
        "That takes as long as to copy them. If it is not meant, mend engine.artifacts.",
    )  # fmt: skip
