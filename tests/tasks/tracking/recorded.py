"""A night to track, and trackers that write down or refuse what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.tracking.tracker import TrackedFit, TrackedNight, Tracker

BEGAN = datetime(2026, 11, 21, 5)


def fit_of(model: str, **fields: Any) -> TrackedFit:
    """Return a fit of two seconds."""
    about: dict[str, Any] = {"failed": False, "seconds": 2.0, "metrics": {"ndcg_at_10": 0.25}}
    about |= {"parameters": {"factors": "64"}, "tags": {"fit": "fitted"}}
    return TrackedFit(model=model, **(about | fields))


def night_of(folder: Path, *fits: TrackedFit, **fields: Any) -> TrackedNight:
    """Return a night with one artifact, which is written into `folder`."""
    (folder / "run.json").write_text("{}")
    about: dict[str, Any] = {
        "experiment": "nightly-recs demo 0123abcd",
        "name": "20261121050000",
        "failed": False,
        "started_at": BEGAN,
        "finished_at": datetime(2026, 11, 21, 5, 1),
        "parameters": {"run.seed": "42"},
        "metrics": {"rows": 3000.0},
        "tags": {"status": "published"},
        "artifacts": (folder / "run.json",),
    }
    return TrackedNight(folder=folder, fits=fits, **(about | fields))


class Recorder(Tracker):
    """Writes calls down."""

    title, schemes, package, extra = "Recorder", ("recorder",), "json", "recorder"

    def __init__(self, uri: str = "", experiment: str = "", folder: Path = Path()) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def start(self, name: str, tags: Mapping[str, str], started_at: datetime) -> None:
        self._called("start", name, dict(tags))

    def parameters(self, values: Mapping[str, str]) -> None:
        self._called("parameters", dict(values))

    def metrics(self, values: Mapping[str, float]) -> None:
        self._called("metrics", dict(values))

    def artifact(self, file: Path) -> None:
        self._called("artifact", file.name)

    def end(self, ended_at: datetime, *, failed: bool) -> None:
        self._called("end", ended_at, failed)

    def _called(self, *call: Any) -> None:
        self.calls.append(call)


class Refuser(Recorder):
    """Writes calls down, and raises an error at the call that it is told to refuse, or at all of them."""

    def __init__(self, refused: str) -> None:
        super().__init__()
        self.refused = refused

    def _called(self, *call: Any) -> None:
        super()._called(*call)
        if self.refused in (call[0], "all"):
            raise ConnectionError(f"no {call[0]}")
