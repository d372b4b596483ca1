"""The command `recs`, and a check that `flows`, `tasks`, `models` and the packages they need are the right ones.

Other projects have packages of these names, too; the name `nightly_recs` is ours alone, so it is found among them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("flows", "tasks", "models")
_NEEDED = (
    "annotated_types", "apprise", "cronsim", "duckdb", "filelock", "fsspec", "httpx", "implicit", "jinja2", "numba",
    "numpy", "optuna", "packaging", "pandas", "prefect", "prometheus_client", "psycopg", "pyarrow", "pydantic",
    "pydantic_core", "pydantic_settings", "rich", "scipy", "sqlalchemy", "threadpoolctl", "torch", "typer", "uvicorn",
)  # fmt: skip
"""The installed packages that ours import."""


def main() -> None:
    """Run the command line."""
    refuse_other_packages()
    try:
        from flows.cli import app  # noqa: PLC0415  (after the check)
    except Exception:
        _refuse(_hiding_installed(), "installed modules of the same")
        raise

    app.main()


def refuse_other_packages() -> None:
    """End the process with exit code 2 if Python finds packages of other projects in place of ours or needed ones."""
    found = {name: _place(name) for name in _PACKAGES}
    _refuse(
        [place for name, place in found.items() if place != _ROOT / name],
        "packages of the same",
        f" in {_ROOT}",
    )
    hiding = {path.stem: path for path in _hiding_installed()}
    _refuse([hiding[name] for name in _NEEDED if name in hiding], "installed packages of the same")


def _refuse(others: list[Path] | list[Path | None], hidden: str, where: str = "") -> None:
    if not others:
        return
    sys.stderr.write(
        f"Error: {' and '.join(map(str, others))} of another project {'hides' if len(others) == 1 else 'hide'} the "
        f"{hidden} {'name' if len(others) == 1 else 'names'}{where}.\n"
        "Take the folder out of PYTHONPATH for this command: env -u PYTHONPATH recs ...\n"
    )
    sys.exit(2)


def _hiding_installed() -> list[Path]:
    """Return the modules in the folders of PYTHONPATH that hide an installed one or one of Python's own.

    A folder of installed packages, such as another environment's site-packages, may hide them on purpose.
    """
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}
    own = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    others = [folder for folder in own if folder.is_dir() and folder not in {*installed, _ROOT}]
    return [
        path
        for folder in others
        if not any(folder.glob("*.dist-info"))
        for path in sorted(folder.iterdir())
        if path.suffix == ".py" or (path / "__init__.py").is_file()
        if path.stem in sys.stdlib_module_names
        or any((place / path.stem).is_dir() or (place / f"{path.stem}.py").is_file() for place in installed)
    ]


def _place(name: str) -> Path | None:
    """Return the folder of a package, or the file of a module, that `import` would load. Nothing is loaded."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return None if spec.origin is None else Path(spec.origin).resolve()
