"""Rules that no type checker knows: the direction of imports, no circles, and the size of a module."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "tasks", "flows")  # each may import itself and those before it
NOT_FOR_MODELS = {"prefect", "duckdb", "sqlalchemy", "psycopg", "pandas", "pyarrow"}
SOURCES = sorted(
    path
    for folder in (*PACKAGES, "nightly_recs", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)


def imported(path: Path) -> set[str]:
    """Return the top-level names of all that a module imports, wherever in the file."""
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


def test_only_notebooks_need_pandas():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert "pandas" not in imported(path), path


ROOMS = [  # of tasks/, from top to bottom: each may import itself and those below it
    "tuning", "replay", "forgetting", "run", "notification", "diagnosis", "tracking", "export", "reporting",
    "validation", "outcomes", "evaluation", "publication", "recommendation", "preparation", "training", "ingestion",
    "engine", "config", "datasets", "storage", "monitoring", "artifacts", "errors",
]  # fmt: skip


def imported_modules(path: Path) -> set[str]:
    """Return the full names of all that a module imports from the packages, wherever in the file.

    `from tasks.errors import UsageError` gives `tasks.errors.UsageError`: the last part may be a module or a name.
    """
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


def test_every_room_of_tasks_has_its_place():
    there = {path.stem for path in (ROOT / "tasks").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert there - {"__init__", "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_rooms_below(room):
    allowed = set(ROOMS[ROOMS.index(room) :])
    place = ROOT / "tasks" / room
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        rooms = {name.split(".")[1] for name in imported_modules(path) if name.startswith("tasks.")}
        assert rooms <= allowed, (path, rooms - allowed)


def module_names() -> dict[str, Path]:
    """Return every module of the packages by its full name; a package is named without `__init__`."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }


def import_circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of two or more modules that import each other, directly or through others of the group.

    These are the strongly connected components of the graph of imports.

    Args:
        imports: for each module, the modules that it imports; each of them is a key too.
    """
    names = sorted(imports)
    graph = np.array([[other in imports[name] for other in names] for name in names])
    _, component = connected_components(graph, directed=True, connection="strong")
    groups = [[name for name, own in zip(names, component, strict=True) if own == c] for c in set(component)]
    return [group for group in groups if len(group) > 1]


def test_no_modules_import_each_other_in_a_circle():
    """Imports for type checkers alone and imports within functions count too."""
    modules = module_names()
    imports = {name: imported_modules(path) for name, path in modules.items()}
    names = {
        name: {m if m in modules else m.rpartition(".")[0] for m in found} for name, found in imports.items()
    }
    assert import_circles({name: (found & modules.keys()) - {name} for name, found in names.items()}) == []


def test_circles_are_found_through_other_modules():
    imports = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set()}
    assert import_circles(imports) == [["a", "b", "c"]]
    assert import_circles(imports | {"c": set()}) == []


def test_models_import_no_orchestrator_database_or_table_library():
    for path in (ROOT / "models").rglob("*.py"):
        assert not imported(path) & NOT_FOR_MODELS, path


def test_nights_import_no_pandas():
    """Pandas is for notebooks, which choose its version."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert "pandas" not in imported(path), path


def test_no_module_is_named_like_the_standard_library():
    for path in SOURCES:
        assert path.stem not in sys.stdlib_module_names, path


def test_modules_stay_readable():
    for path in SOURCES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path


def test_sql_is_data_and_no_package():
    assert not list((ROOT / "sql").rglob("*.py"))
