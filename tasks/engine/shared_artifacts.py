"""Artifacts at an address, for work on machines that do not see the folder of the night.

A worker's machine fetches each artifact that the work names once, into a folder of its own, and compares it with the
digests of its manifest; workers open it there, memory-mapped. What they write is sent to the address, where the night
takes it from. The folder is removed when the night ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock

from tasks.engine.memory_requests import model_folders
from tasks.errors import NightError
from tasks.storage.remote_store import CHECKPOINT, RemoteStore

R = TypeVar("R")


@dataclass(frozen=True)
class SharedArtifacts:
    """Where the artifacts of a night are: in its folder on its machine, and at an address.

    Attributes:
        root: the folder of the night's store.
        machine: the name of the night's machine, whose own workers open the artifacts in `root`.
        remote: the address.
        cache: the folder that workers keep theirs in; empty: one below their folder for temporary files.
    """

    root: Path
    machine: str
    remote: RemoteStore
    cache: str = ""

    @property
    def is_here(self) -> bool:
        """Whether this process sees the night's folder."""
        return os.uname().nodename == self.machine and self.root.is_dir()

    @property
    def folder(self) -> Path:
        """The folder of this machine for what is fetched from this address."""
        base = Path(self.cache or Path(tempfile.gettempdir()) / f"nightly-recs-{os.getuid()}")
        return base / sha256(self.remote.address.encode()).hexdigest()[:16]

    # -- where the night runs -------------------------------------------------------------------------

    def take_file(self, path: Path) -> None:
        """Fetch a file that a worker has sent, unless it wrote it here; it leaves the address."""
        if not path.exists():
            name, file = self._name_and_file(path)
            self.remote.receive(name, self.root / name, [file])

    def take_all(self, folder: Path, *, keep: bool) -> None:
        """Fetch what workers have sent for an unfinished artifact.

        Args:
            folder: of the artifact, in the night's store.
            keep: leave it at the address as well, for `RemoteStore.put` to take it from there.
        """
        name, _ = self._name_and_file(folder)
        self.remote.receive(name, folder)
        if not keep:
            self.remote.remove(name)

    def _name_and_file(self, path: Path) -> tuple[str, str]:
        stage, key, *rest = path.relative_to(self.root).parts
        return f"{stage}/{key}", "/".join(rest)

    # -- on a worker ----------------------------------------------------------------------------------

    def here(self, path: Path) -> Path:
        """Return the path on this machine of a path of the night; an artifact is fetched if it is not here yet.

        Folders of unfinished artifacts are made, one for each process.

        Raises:
            NightError: the address has no such artifact, or a damaged one.
        """
        if not path.is_absolute() or not path.is_relative_to(self.root):
            return path
        name, file = self._name_and_file(path)
        stage, _, key = name.partition("/")
        if key.startswith("."):
            own = self._own(stage, key)
            if not key.startswith(CHECKPOINT):
                own.mkdir(parents=True, exist_ok=True)
                (own / file).parent.mkdir(parents=True, exist_ok=True)
            return own / file
        self._fetch(name)
        return self.folder / name / file

    def back(self, path: Path) -> Path:
        """Return the path of the night for a path that `here` has returned."""
        if not path.is_relative_to(self.folder):
            return path
        stage, key, *rest = path.relative_to(self.folder).parts
        return self.root.joinpath(stage, key.removesuffix(_own_suffix()), *rest)

    def send(self) -> None:
        """Send what this process has written for unfinished artifacts, and remove it and their checkpoints here."""
        for folder in self.folder.glob(f"*/.*{_own_suffix()}"):
            name = f"{folder.parent.name}/{folder.name.removesuffix(_own_suffix())}"
            self.remote.send(folder, name)

    def drop(self) -> None:
        """Remove what this process has written for unfinished artifacts."""
        for folder in self.folder.glob(f"*/.*{_own_suffix()}"):
            shutil.rmtree(folder, ignore_errors=True)

    def _own(self, stage: str, key: str) -> Path:
        """Return the folder of an unfinished artifact, this process's own; a checkpoint's is found by the next one."""
        return self.folder / stage / (key if key.startswith(CHECKPOINT) else f"{key}{_own_suffix()}")

    def _fetch(self, name: str) -> None:
        """Fetch an artifact, and the models that it is an ensemble of, unless they are here."""
        folder = self.folder / name
        if not folder.is_dir():
            self._make_folder()
            with FileLock(self.folder / f".{folder.name}.lock"):  # other workers of this machine wait for it
                if not folder.is_dir():
                    self._download(name)
        if (folder / "model.json").is_file():
            for member in model_folders(folder)[1:]:
                self._fetch(member.relative_to(self.folder.resolve()).as_posix())

    def _download(self, name: str) -> None:
        there = self.remote.names()
        for folder in self.folder.glob("*/[!.]*"):
            # Held by no run any more, or of somebody who was forgotten
            if folder.relative_to(self.folder).as_posix() not in there:
                shutil.rmtree(folder, ignore_errors=True)
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not self.remote.get(name, self.folder / name):
            raise NightError(
                f"The artifact {name} is not at {self.remote.address}, or it is damaged there.",
                "Run again: the night uploads what is missing, and makes anew what it does not have.",
            )

    def _make_folder(self) -> None:
        """Make the folder, for this user alone.

        Raises:
            NightError: it belongs to another user, who could change what is opened here.
        """
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.folder.stat().st_uid != os.getuid():
            raise NightError(
                f"The folder {self.folder} on {os.uname().nodename} belongs to another user.",
                "Name another one: engine.cache.",
            )


class Task(Protocol):
    """Work for a worker, a dataclass; `artifacts` is None where the worker sees the night's folder."""

    @property
    def artifacts(self) -> SharedArtifacts | None:
        """Where the artifacts are that it names."""


T = TypeVar("T", bound=Task)


def with_artifacts_at_hand(function: Callable[[T], R]) -> Callable[[T], R]:
    """Let a function of a task find the artifacts that it names on this machine, and send what it writes."""

    @wraps(function)
    def run(task: T) -> R:
        artifacts = task.artifacts
        if artifacts is None or artifacts.is_here:
            return function(task)
        try:
            result = function(with_paths(task, artifacts.here))
            artifacts.send()
        finally:
            artifacts.drop()
        moved: R = with_paths(result, artifacts.back)
        return moved

    return run


def clear_cache(artifacts: SharedArtifacts) -> None:
    """Remove from this machine what was fetched from an address."""
    shutil.rmtree(artifacts.folder, ignore_errors=True)


def with_paths(value: Any, change: Callable[[Path], Path]) -> Any:
    """Return a value in which every path is changed: itself, or within dataclasses, tuples, lists and mappings."""
    if isinstance(value, Path):
        return change(value)
    if isinstance(value, Mapping):
        return {name: with_paths(each, change) for name, each in value.items()}
    if isinstance(value, tuple | list):
        items = [with_paths(each, change) for each in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if is_dataclass(value) and not isinstance(value, type | SharedArtifacts):
        found = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        return replace(value, **{name: with_paths(each, change) for name, each in found.items()})
    return value


def _own_suffix() -> str:
    """The end of the names of this process's folders: other processes of the machine write beside it."""
    return f".{os.getpid()}"
