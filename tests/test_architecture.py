"""The rules of the house that no type checker knows: which way imports run, and how big a module may grow."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "tasks", "flows")  # each may import itself and what stands before it
NOT_FOR_MODELS = {"prefect", "duckdb", "sqlalchemy", "psycopg", "pandas", "pyarrow"}
SOURCES = sorted(
    path for folder in (*PACKAGES, "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)


def imported(path: Path) -> set[str]:
    """Top-level names of everything that a module imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package):
    later = set(PACKAGES[PACKAGES.index(package) + 1 :]) | {"tests", "benchmarks"}
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & later, path


ROOMS = [  # of tasks/, from top to bottom: each may import itself and those below it
    "tuning", "run", "reporting", "validation", "evaluation", "publication", "recommendation", "preparation",
    "training", "ingestion", "config", "datasets", "storage", "monitoring", "artifacts", "errors",
]  # fmt: skip


def imported_modules(path: Path) -> set[str]:
    """Full names of everything that a module imports from `tasks`, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("tasks.")}


def test_every_room_of_tasks_has_its_place():
    there = {path.stem for path in (ROOT / "tasks").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert there - {"__init__", "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_rooms_below(room):
    allowed = set(ROOMS[ROOMS.index(room) :])
    place = ROOT / "tasks" / room
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        rooms = {name.split(".")[1] for name in imported_modules(path)}
        assert rooms <= allowed, (path, rooms - allowed)


def test_models_know_neither_orchestrator_nor_database_nor_tables():
    for path in (ROOT / "models").rglob("*.py"):
        assert not imported(path) & NOT_FOR_MODELS, path


def test_no_module_bears_a_standard_librarys_name():
    for path in SOURCES:
        assert path.stem not in sys.stdlib_module_names, path


def test_modules_stay_readable():
    for path in SOURCES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path


def test_sql_is_data_and_no_package():
    assert not list((ROOT / "sql").rglob("*.py"))
