"""The interface of experiment trackers, what a night tells them, and in which order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class TrackedFit:
    """One model of a night.

    Attributes:
        model: its name.
        failed: whether it was left out of the night.
        seconds: the time of its fits, without those that came from the artifact store.
        parameters: hyperparameter → value as text.
        metrics: figure → value, finite.
        tags: short facts, such as whether the fit came from the artifact store.
    """

    model: str
    failed: bool
    seconds: float
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


@dataclass(frozen=True)
class TrackedNight:
    """A night that has ended.

    Attributes:
        experiment: the name of the home's experiment.
        folder: the home, absolute; local files of a tracker go there.
        name: the run's id.
        failed: whether it ended with an error. A night whose lists a check held back has not failed.
        started_at, finished_at: UTC, without a time zone.
        parameters: setting → value as text, without the models' own.
        metrics: figure → value, finite.
        tags: short facts, such as the status.
        artifacts: files of the run's folder that exist.
        fits: its models.
    """

    experiment: str
    folder: Path
    name: str
    failed: bool
    started_at: datetime
    finished_at: datetime
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    artifacts: tuple[Path, ...]
    fits: tuple[TrackedFit, ...]


class Tracker(ABC):
    """An experiment tracker. It records runs; a run that is started within another belongs to it.

    Subclasses are made as `Kind(uri, experiment, folder)`, which opens the store, and import their product only then.
    Any of their errors ends the tracking of this night, and not the night.

    Class attributes of a subclass:
        title: the product's name, for people.
        schemes: the beginnings of its addresses, up to the colon or, as in `postgresql+psycopg:`, the plus.
        package: the Python package that it needs.
        extra: the extra of nightly-recs that installs it.
    """

    title: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    package: ClassVar[str]
    extra: ClassVar[str]

    @abstractmethod
    def __init__(self, uri: str, experiment: str, folder: Path) -> None:
        """Open the store.

        Args:
            uri: the address of `tracking.uri`.
            experiment: the name of the home's experiment, which is created if absent.
            folder: of the home; local files belong there.
        """

    @abstractmethod
    def start(self, name: str, tags: Mapping[str, str], started_at: datetime) -> None:
        """Start a run, within the one that is running if there is one.

        Args:
            name: of the run.
            tags: short facts.
            started_at: UTC, without a time zone.
        """

    @abstractmethod
    def parameters(self, values: Mapping[str, str]) -> None:
        """Record parameters of the run that was started last."""

    @abstractmethod
    def metrics(self, values: Mapping[str, float]) -> None:
        """Record figures of the run that was started last."""

    @abstractmethod
    def artifact(self, file: Path) -> None:
        """Record a file of the run that was started last."""

    @abstractmethod
    def end(self, ended_at: datetime, *, failed: bool) -> None:
        """End the run that was started last; UTC, without a time zone."""


def send(night: TrackedNight, tracker: Tracker) -> None:
    """Tell a tracker of a night: its fits first, its files last, because those are the most likely to be refused.

    A run that was started is ended, as failed, if the tracker raises an error.
    """
    with _run(tracker, night.name, night.tags, night.started_at, night.finished_at, failed=night.failed):
        tracker.parameters(night.parameters)
        tracker.metrics(night.metrics)
        for fit in night.fits:
            ended_at = night.started_at + timedelta(seconds=fit.seconds)
            with _run(tracker, fit.model, fit.tags, night.started_at, ended_at, failed=fit.failed):
                tracker.parameters(fit.parameters)
                tracker.metrics(fit.metrics)
        for file in night.artifacts:
            tracker.artifact(file)


@contextmanager
def _run(
    tracker: Tracker,
    name: str,
    tags: Mapping[str, str],
    started_at: datetime,
    ended_at: datetime,
    *,
    failed: bool,
) -> Iterator[None]:
    """Start a run, and end it after the block."""
    tracker.start(name, tags, started_at)
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the first error is the one to report
            tracker.end(ended_at, failed=True)
        raise
    tracker.end(ended_at, failed=failed)
