"""The results of a replay, one pair of files per day: they are its memory, from which it goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.replay.night import Served
from tasks.storage.artifact_store import Store, from_json, to_json, write_json

_NAME = "%Y%m%dT%H%M%S"


@dataclass(frozen=True)
class Day:
    """One replayed day.

    Attributes:
        day: its beginning, UTC; the `as_of` of its nights.
        until: the end of the window in which its lists are judged, exclusive.
        served: variant → the lists served on that day; those of an earlier night where none ran.
        failures: variant → why its night failed; its earlier lists are served then.
        nights: the variants that had a night on that day.
        n_users: number of users who came to like something new.
        seconds: time that all nights of the day and their judging took.
    """

    day: datetime
    until: datetime
    served: dict[str, Served]
    failures: dict[str, str] = field(default_factory=dict)
    nights: tuple[str, ...] = ()
    n_users: int = 0
    seconds: float = 0.0


def artifacts_of(served: Mapping[str, Served]) -> set[str]:
    """Return 'stage/key' of all lists that the variants serve, and of what their next nights start from."""
    return {artifact for each in served.values() for artifact in (*each.lists.values(), *each.starts)}


class Results:
    """The folder of one replay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._days = folder / "days"
        self._days.mkdir(parents=True, exist_ok=True)

    @property
    def store(self) -> Store:
        """The artifacts: those of the day that is running, and those of earlier days that it may need."""
        return Store(self.folder / "artifacts")

    def has_artifacts_of(self, found: Day) -> bool:
        """Return whether the lists that a day serves, and what its next nights start from, are still there."""
        return all((self.store.root / artifact).is_dir() for artifact in artifacts_of(found.served))

    def last(self) -> Day | None:
        """Return the last finished day."""
        names = sorted(self._days.glob("*.json"))
        return self.find(datetime.strptime(names[-1].stem, _NAME)) if names else None

    def records(self, variant: str) -> Path:
        """Return the folder of the run records of a variant's replayed nights."""
        return self.folder / "nights" / variant

    def find(self, day: datetime) -> Day | None:
        """Return a finished day; None if it is not, also if a kill has left it half-written."""
        try:
            return from_json(Day, json.loads(self._file(day, "json").read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, found: Day, per_user: pa.Table | None) -> None:
        """Write a day: its users first, and last the JSON file without which the day does not count."""
        users = self._file(found.day, "parquet")
        if per_user is not None:
            partial = users.with_name(f".{users.name}.partial")
            pq.write_table(per_user, partial, compression="zstd")
            partial.replace(users)
        write_json(self._file(found.day, "json"), to_json(found))

    def users_of(self, found: Day) -> Path | None:
        """Return the file of the users of a day; None if nobody came to like anything new."""
        return self._file(found.day, "parquet") if found.n_users else None

    def _file(self, day: datetime, kind: str) -> Path:
        return self._days / f"{day:{_NAME}}.{kind}"
