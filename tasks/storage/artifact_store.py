"""The artifact store: results of finished stages in `artifacts/<stage>/<key>/`, the manifest written last.

The key says what a result was made from (`cache_key.py`). A stage that was killed leaves a folder without a manifest,
which is never read, and perhaps a checkpoint beside it, from which it goes on when it is asked for again. A result that
is found is checked against its manifest, file by file, before it is used.

A store may have a remote part (`remote_store.py`): then finished artifacts are uploaded, and fetched where this machine
has none of that key. What is used is always a file of this machine, which can be mapped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import TypeAdapter

from tasks.storage.remote_store import CHECKPOINT, FETCHING, HALF_MADE, MANIFEST, RemoteStore

_adapters: dict[type[Any], TypeAdapter[Any]] = {}
_digests: dict[tuple[int, ...], str] = {}
_CLOCK_STEP = 50_000_000  # nanoseconds; file systems note times in steps of 10 ms at most

R = TypeVar("R")


class Store:
    """The artifacts of one home.

    Attributes:
        root: the folder that holds them.
        remote: where finished ones are as well, for other machines; None: nowhere.
    """

    def __init__(self, root: Path, remote: RemoteStore | None = None) -> None:
        self.root, self.remote = root, remote

    def find(self, stage: str, key: str, kind: type[R]) -> R | None:
        """Return the reference to a stored result, or None if there is none or it is damaged.

        Args:
            stage: the name of the folder for this kind of artifact.
            key: what the artifact was made from.
            kind: the class of the reference.
        """
        folder = self.root / stage / key
        manifest = _whole(folder)
        if manifest is None and self.fetch(f"{stage}/{key}"):
            manifest = _whole(folder)
        if manifest is None:
            return None
        try:
            reference = from_json(kind, manifest["reference"])
        except (KeyError, ValueError):
            return None  # written by a version whose references had other fields
        return _at(reference, folder)

    def make(
        self,
        stage: str,
        key: str,
        build: Callable[[Path], R],
        *,
        is_reusable: Callable[[], bool] = lambda: True,
    ) -> R:
        """Run `build` in a fresh folder and keep what it wrote together with the reference that it returned.

        Args:
            stage: the name of the folder for this kind of artifact.
            key: what the artifact is made from; `find` asks by it.
            build: called with the folder to write into.
            is_reusable: called after `build`; if it says no, the artifact is kept under a key that nobody asks for.
        """
        folder, checkpoints = self.root / stage / f"{HALF_MADE}{key}", self.checkpoints(stage, key)
        shutil.rmtree(folder, ignore_errors=True)
        if self.remote is not None:
            self.remote.remove(f"{stage}/{folder.name}")
        folder.mkdir(parents=True)
        reference = build(folder)
        if not is_reusable():
            key = f"{key[:16]}-{uuid4().hex[:15]}"
            reference = replace(reference, key=key)  # type: ignore[type-var]
        final = self.root / stage / key
        files = {
            p.relative_to(folder).as_posix(): _digest(p) for p in sorted(folder.rglob("*")) if p.is_file()
        }
        write_json(folder / MANIFEST, {"stage": stage, "files": files, "reference": to_json(reference)})
        shutil.rmtree(final, ignore_errors=True)
        folder.rename(final)
        _sync(final.parent)
        if self.remote is not None:
            self.remote.put(final, f"{stage}/{key}")
        shutil.rmtree(checkpoints, ignore_errors=True)
        return _at(reference, final)

    def checkpoints(self, stage: str, key: str) -> Path:
        """Return the folder for the checkpoints of a stage, which may not exist; `make` removes it in the end."""
        return self.root / stage / f"{CHECKPOINT}{key}"

    def sweep(self) -> None:
        """Remove the unfinished folders of killed stages, but not their checkpoints; upload what is not remote yet."""
        for beginning in (HALF_MADE, FETCHING):
            for folder in self.root.glob(f"*/{beginning}*"):
                shutil.rmtree(folder)
        if self.remote is not None:
            self.remote.remove_unfinished()
            there = self.remote.names()
            for name in self._finished_here():
                if name not in there:
                    self.remote.put(self.root / name, name)

    def names(self) -> list[str]:
        """Return 'stage/key' of every finished artifact, here or remote."""
        remote = {} if self.remote is None else self.remote.names()
        return sorted(
            {*self._finished_here(), *(name for name, is_finished in remote.items() if is_finished)}
        )

    def fetch(self, name: str) -> bool:
        """Fetch the artifact 'stage/key' to this machine, over what lies there; return whether that succeeded."""
        if self.remote is None:
            return False
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        return self.remote.get(name, self.root / name)

    def take_all(self, other: Store) -> None:
        """Take over the finished artifacts of another store, and empty it. Killed, the same call goes on."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name in other.names():
            folder, place = other.root / name, self.root / name
            if not (folder.is_dir() or other.fetch(name)):
                continue  # damaged
            if folder != place:
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(folder, place)
            if self.remote is not None and not self.remote.has(name):
                self.remote.put(place, name)
        if other.remote is not None and other.remote != self.remote:
            other.remote.clear()
        if other.root != self.root:
            shutil.rmtree(other.root, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove 'stage/key', finished or not, or a checkpoint; the remote one first, lest it be fetched again."""
        if self.remote is not None:
            self.remote.remove(name)
        shutil.rmtree(self.root / name, ignore_errors=True)

    def keep_only(self, kept: set[str]) -> list[str]:
        """Remove every artifact, finished or not, and every checkpoint, unless its 'stage/key' is in `kept`.

        Returns:
            The names of the folders that were removed.
        """
        removed = [name for name in self.everything() if name.replace(f"/{CHECKPOINT}", "/") not in kept]
        for name in removed:
            self.remove(name)
        return removed

    def everything(self) -> list[str]:
        """Return 'stage/key' of all artifacts, finished or not, and of checkpoints, here or remote."""
        here = (folder.relative_to(self.root).as_posix() for folder in self.root.glob("*/*"))
        return sorted({*here, *(self.remote.names() if self.remote is not None else ())})

    def _finished_here(self) -> list[str]:
        return [
            path.parent.relative_to(self.root).as_posix()
            for path in sorted(self.root.glob(f"*/*/{MANIFEST}"))
            if not path.parent.name.startswith(".")
        ]


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically: a reader, or a crash, sees the old file or the whole new one."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: a reader, or a crash, sees the old file or the whole new one."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync(path.parent)


def to_json(value: Any) -> Any:
    """Return a dataclass as JSON values."""
    return _adapter(type(value)).dump_python(value, mode="json")


def from_json(kind: type[R], value: Any) -> R:
    """Return the dataclass of type `kind` that `to_json` turned into `value`.

    Fields that `value` lacks keep their defaults, and fields that `kind` does not know are left out, so that a record
    of an older version can be read.

    Raises:
        ValueError: `value` does not fit `kind`.
    """
    found: R = _adapter(kind).validate_python(value)
    return found


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """The reader and writer of a class, built once: that takes milliseconds."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _whole(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of an artifact; None if there is none, or if a file is not as it says."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    damaged = any(_digest(folder / name) != digest for name, digest in manifest["files"].items())
    return None if damaged else manifest


def _at(reference: R, folder: Path) -> R:
    moved: R = replace(reference, folder=folder)  # type: ignore[type-var]
    return moved


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, empty if it is absent; read only once per process while the file stays as it is.

    A change shows in the size or in one of the two times. Files so young that a second change could bear the same time
    are read every time (the "racily clean" files of git).
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if state not in _digests:
                is_settled = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _CLOCK_STEP
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                if not is_settled:
                    return digest
                _digests[state] = digest
            return _digests[state]
    except FileNotFoundError:
        return ""


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
