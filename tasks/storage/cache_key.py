"""Cache keys: hashes of values, and of the source code that computes a result.

A stage's result may be used again while nothing that it depends on has changed: its inputs, its settings, the versions
of the libraries, and every module and SQL file that it runs. The source is read once, when the process begins. Code
that is loaded later may be newer (a deploy in the middle of a night): `SourceTree.is_current` finds that out, and then
no result is kept for other nights.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("flows", "tasks", "models")
_LIBRARIES = ("numpy", "scipy", "torch", "implicit", "numba", "duckdb", "pyarrow")
_NOT_HASHED = (
    "tasks.artifacts", "tasks.config", "tasks.engine", "tasks.errors", "tasks.monitoring",
    "tasks.storage.artifact_store", "tasks.storage.cache_key",
    "tasks.storage.home", "tasks.storage.run_records", "tasks.storage.stage",
    "models.registry",
)  # fmt: skip
"""Modules and packages that cannot change a result: their effect is hashed by value (settings, references), or they
only watch, store, and say where work is done."""


def fingerprint(*parts: Any) -> str:
    """Return a hash of JSON-like values, dates, paths, dataclasses and pydantic models: 32 hex characters."""
    text = json.dumps(parts, sort_keys=True, default=_plain, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def key_of_value(value: Any) -> Any:
    """Return the JSON-like value that stands for an argument of a stage in its cache key.

    A reference (a dataclass with a `key`) is represented by that key, or by what its `cache_key()` returns,
    hyperparameters together with what of this machine the fitted bits depend on, everything else by its value.
    """
    if is_dataclass(value) and not isinstance(value, type):
        if hasattr(value, "key"):
            return value.cache_key() if hasattr(value, "cache_key") else value.key
        return {field.name: key_of_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): key_of_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [key_of_value(each) for each in value]
    if hasattr(value, "machine_state"):
        return [value, value.machine_state()]
    return value


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
def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries whose change may change a figure."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


class SourceTree:
    """The modules and SQL files below a folder, as they were when this object was made.

    Attributes:
        root: the folder that holds `flows/`, `tasks/`, `models/` and `sql/`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        found = [path for package in _PACKAGES for path in (root / package).rglob("*.py")]
        found += (root / "sql").rglob("*.sql")
        self._stamps = {path: _stamp(path) for path in found}  # before the files are read
        self._text = {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
        self._closures: dict[tuple[str, ...], frozenset[str]] = {}
        self._parsed: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._was_current = True

    def hash(self, *modules: str) -> str:
        """Return a hash of the source of `modules`, of all of ours that they import, and of the SQL they name."""
        digest = hashlib.sha256()
        for path in sorted(self.files(*modules)):
            digest.update(path.encode() + b"\0" + self._text[path] + b"\0")
        return digest.hexdigest()[:32]

    def is_current(self) -> bool:
        """Return whether all files are still as they were. Once they were not, the answer stays no.

        All files count, not only those of one stage: a module that is imported late runs as it is then. Only files
        with another stamp than before are read.
        """
        self._was_current = self._was_current and all(map(self._is_unchanged, self._stamps))
        return self._was_current

    def _is_unchanged(self, path: Path) -> bool:
        stamp = _stamp(path)  # before the file is read
        if stamp == self._stamps[path]:
            return True
        try:
            is_equal = path.read_bytes() == self._text[path.relative_to(self.root).as_posix()]
        except OSError:
            return False
        self._stamps[path] = stamp
        return is_equal

    def files(self, *modules: str) -> frozenset[str]:
        """Return the paths, relative to the root, of the files that `hash` covers.

        A module counts with the `__init__` files of its packages. An SQL file counts where its name is a string
        constant, or matches an f-string, of one of the modules. `_NOT_HASHED` and what only those import is left out.
        """
        if modules not in self._closures:
            self._closures[modules] = frozenset(self._follow(modules))
        return self._closures[modules]

    def _follow(self, modules: Iterable[str]) -> set[str]:
        waiting, seen, files = list(modules), set(modules), set[str]()
        while waiting:
            name = waiting.pop()
            path = self._module_file(name)
            if path is None:
                continue  # a name inside a module: `from module import name`
            imported, sql = self._parse(path, name)
            files |= {path, *sql}
            new = {each for each in imported | _packages_of(name) if each not in seen and not _left_out(each)}
            seen |= new
            waiting += new
        return files

    def _module_file(self, name: str) -> str | None:
        """Look a module up in the tree: `find_spec` would import its package, and so perhaps torch."""
        place = name.replace(".", "/")
        return next((path for path in (f"{place}.py", f"{place}/__init__.py") if path in self._text), None)

    def _parse(self, path: str, module: str) -> tuple[frozenset[str], frozenset[str]]:
        """The modules that a file may import, and the SQL files that it names."""
        if path not in self._parsed:
            package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]
            imported, sql = set[str](), set[str]()
            for node in ast.walk(ast.parse(self._text[path])):
                imported.update(_imported_by(node, package))
                if pattern := _sql_pattern(node):
                    sql.update(each for each in self._text if fnmatchcase(each, f"sql/{pattern}"))
            self._parsed[path] = frozenset(imported), frozenset(sql)
        return self._parsed[path]


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return a file's inode, size and time of change, which unlike mtime cannot be set back; None without a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_ctime_ns


def _left_out(module: str) -> bool:
    return module.partition(".")[0] not in _PACKAGES or any(
        module == each or module.startswith(f"{each}.") for each in _NOT_HASHED
    )


def _packages_of(module: str) -> set[str]:
    """`a` and `a.b` for `a.b.c`."""
    parts = module.split(".")
    return {".".join(parts[:depth]) for depth in range(1, len(parts))}


def _imported_by(node: ast.AST, package: str) -> list[str]:
    """Full names that an import statement in a module of `package` may refer to."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _sql_pattern(node: ast.AST) -> str | None:
    """The SQL file that a constant or an f-string names, with `*` for what an f-string fills in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".sql"):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values]
        return "".join(parts) if "".join(parts).endswith(".sql") else None
    return None


SOURCE = SourceTree(ROOT)
"""The source of this process."""
