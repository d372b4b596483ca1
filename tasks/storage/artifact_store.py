"""Finished stages, kept by what they were made from: `artifacts/<stage>/<key>/`, manifest written last.

A stage that was killed leaves a folder without a manifest, which nothing ever reads. A hit is checked against its
manifest, file by file, before it is believed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

MANIFEST = "manifest.json"
_HALF_MADE = ".making-"

R = TypeVar("R")


class Store:
    """The artifacts of one home."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, stage: str, key: str, kind: type[R]) -> R | None:
        """The reference to a finished stage, or None if there is none or it is damaged."""
        folder = self.root / stage / key
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        if any(_digest(folder / name) != digest for name, digest in manifest["files"].items()):
            return None
        try:
            reference: R = from_json(kind, manifest["reference"])
        except (KeyError, TypeError, ValueError):
            return None  # written by a version whose references had other fields
        return _at(reference, folder)

    def make(self, stage: str, key: str, build: Callable[[Path], R]) -> R:
        """Run `build` in a fresh folder and keep what it wrote together with the reference it returned."""
        final = self.root / stage / key
        folder = self.root / stage / f"{_HALF_MADE}{key}"
        for leftover in (folder, final):
            shutil.rmtree(leftover, ignore_errors=True)
        folder.mkdir(parents=True)
        reference = build(folder)
        files = {
            p.relative_to(folder).as_posix(): _digest(p) for p in sorted(folder.rglob("*")) if p.is_file()
        }
        write_json(folder / MANIFEST, {"stage": stage, "files": files, "reference": to_json(reference)})
        folder.rename(final)
        _sync(final.parent)
        return _at(reference, final)

    def sweep(self) -> None:
        """Remove what killed stages left half made."""
        for folder in self.root.glob(f"*/{_HALF_MADE}*"):
            shutil.rmtree(folder)

    def keep_only(self, kept: set[str]) -> list[str]:
        """Remove every artifact, finished or not, whose 'stage/key' is not in `kept`; returns those removed."""
        removed = []
        for folder in sorted(self.root.glob("*/*")):
            name = folder.relative_to(self.root).as_posix()
            if name not in kept:
                shutil.rmtree(folder)
                removed.append(name)
        return removed


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader, or a crash, sees the old file or the whole new one."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the whole new one."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync(path.parent)


def to_json(reference: Any) -> Any:
    """A reference as JSON values."""
    if is_dataclass(reference) and not isinstance(reference, type):
        return {name: to_json(value) for name, value in asdict(reference).items()}
    if isinstance(reference, dict):
        return {key: to_json(value) for key, value in reference.items()}
    if isinstance(reference, list | tuple):
        return [to_json(value) for value in reference]
    if isinstance(reference, datetime):
        return reference.isoformat()
    return str(reference) if isinstance(reference, Path) else reference


def from_json(kind: Any, value: Any) -> Any:
    """The reference of type `kind` that `to_json` turned into `value`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        known = [
            field.name for field in fields(kind) if field.name in value
        ]  # the others keep their defaults
        return kind(**{name: from_json(hints[name], value[name]) for name in known})
    if origin in (Union, UnionType):
        return None if value is None else from_json(next(a for a in arguments if a is not type(None)), value)
    if origin in (tuple, list):
        return origin(from_json(arguments[0], entry) for entry in value)
    if origin is Literal or origin is dict:
        return value
    if kind is datetime:
        return datetime.fromisoformat(value)
    return kind(value)


def _at(reference: R, folder: Path) -> R:
    moved: R = replace(reference, folder=folder)  # type: ignore[type-var]
    return moved


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
