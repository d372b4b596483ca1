"""The command `recs`, and a check that no module of another project hides a package that it needs."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nightly_recs.import_path import ROOT

_NEEDED = (
    "annotated_types", "apprise", "cronsim", "duckdb", "filelock", "fsspec", "httpx", "implicit", "jinja2", "numba",
    "numpy", "optuna", "packaging", "prefect", "prometheus_client", "psycopg", "pyarrow", "pydantic",
    "pydantic_core", "pydantic_settings", "rich", "scipy", "sqlalchemy", "starlette", "threadpoolctl", "torch", "typer",
    "uvicorn",
)  # fmt: skip
"""The installed packages that ours import."""


def main() -> None:
    """Run the command line."""
    refuse_hiding_modules()
    with naming_hiding_modules():
        from flows.cli import app  # noqa: PLC0415  (after the check)

    app.main()


@contextmanager
def naming_hiding_modules() -> Iterator[None]:
    """End the process with exit code 2 if an import in this context fails and a folder of PYTHONPATH hides modules."""
    try:
        yield
    except Exception:
        _refuse(_hiding_installed(), "installed modules of the same")
        raise


def refuse_hiding_modules() -> None:
    """End the process with exit code 2 if a folder of PYTHONPATH hides an installed package that ours need."""
    hiding = {path.stem: path for path in _hiding_installed()}
    _refuse([hiding[name] for name in _NEEDED if name in hiding], "installed packages of the same")


def _refuse(others: list[Path], hidden: str) -> None:
    if not others:
        return
    sys.stderr.write(
        f"Error: {' and '.join(map(str, others))} of another project {'hides' if len(others) == 1 else 'hide'} the "
        f"{hidden} {'name' if len(others) == 1 else 'names'}.\n"
        "Take the folder out of PYTHONPATH for this command: env -u PYTHONPATH recs ...\n"
    )
    sys.exit(2)


def _hiding_installed() -> list[Path]:
    """Return the modules in the folders of PYTHONPATH that hide an installed one or one of Python's own.

    A folder of installed packages, such as another environment's site-packages, may hide them on purpose.
    """
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}
    own = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    others = [folder for folder in own if folder.is_dir() and folder not in {*installed, ROOT}]
    return [
        path
        for folder in others
        if not any(folder.glob("*.dist-info"))
        for path in sorted(folder.iterdir())
        if path.suffix == ".py" or (path / "__init__.py").is_file()
        if path.stem in sys.stdlib_module_names
        or any((place / path.stem).is_dir() or (place / f"{path.stem}.py").is_file() for place in installed)
    ]
