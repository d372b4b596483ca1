"""Hashes that say whether a result is still the right one: of values, and of the source that computes them."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
from dataclasses import asdict, is_dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("flows", "tasks", "models")
_LIBRARIES = ("numpy", "scipy", "torch", "implicit", "numba", "duckdb", "pyarrow")
# Their effect on a result is hashed by value (settings, references) or is none at all.
_PLUMBING = {
    "tasks.config.settings",
    "tasks.config.load",
    "tasks.artifacts",
    "tasks.errors",
    "tasks.storage.artifact_store",
    "tasks.run.context",
    "tasks.monitoring.events",
    "tasks.storage.cache_key",
    "tasks.storage.run_records",
    "tasks.storage.home",
    "models.registry",
}


def fingerprint(*parts: Any) -> str:
    """A hash of JSON-like values, dates, paths, dataclasses and pydantic models: 32 hex characters."""
    text = json.dumps(parts, sort_keys=True, default=_plain, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot take the fingerprint of {type(value).__name__}")


@cache
def source_hash(*modules: str) -> str:
    """A hash of the source of `modules`, of all of ours that they import, and of the SQL files they name."""
    digest = hashlib.sha256()
    for path in sorted(_closure(modules)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


@cache
def library_versions() -> dict[str, str]:
    """The versions of Python and of the libraries whose change may change a figure."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def _closure(modules: tuple[str, ...]) -> set[Path]:
    waiting, seen, files = list(modules), set(modules), set()
    while waiting:
        path = _module_file(waiting.pop())
        if path is None:
            continue
        files.add(path)
        for node in ast.walk(ast.parse(path.read_bytes())):
            files.update(_sql_named_by(node))
            for name in _imported_by(node):
                if name not in seen and name not in _PLUMBING and name.split(".")[0] in _PACKAGES:
                    seen.add(name)
                    waiting.append(name)
    return files


def _module_file(name: str) -> Path | None:
    """The file of one of our modules; None for a name inside a module (`from module import name`).

    Looked up on the disk: `find_spec` imports what a name stands in, and so torch, for a night that has nothing to do.
    """
    place = ROOT.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def _imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _sql_named_by(node: ast.AST) -> list[Path]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".sql"):
        path = ROOT / "sql" / node.value
        return [path] if path.is_file() else []
    return []
