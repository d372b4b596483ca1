"""Let `import` find our packages `flows`, `tasks` and `models`, and no others of these names.

In the source tree they lie beside `nightly_recs/`. A wheel keeps them in `nightly_recs/_packages/`, where they cannot
overwrite the packages of another project: many have a `models` or a `tasks`. Importing `nightly_recs` puts the folder
that holds them first on `sys.path` and imports them, so that later changes of `sys.path` hide none.
"""

from __future__ import annotations

import sys
import sysconfig
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

PACKAGES = ("flows", "tasks", "models")
_HERE = Path(__file__).resolve().parent
_IN_WHEEL = _HERE / "_packages"
ROOT = _IN_WHEEL if _IN_WHEEL.is_dir() else _HERE.parent
"""The folder that holds `flows/`, `tasks/`, `models/` and `sql/`, in a wheel also `constraints.txt`."""


def use_own_packages() -> None:
    """Put `ROOT` first on `sys.path` and import our packages from there.

    Calling it again changes nothing. A worker of another machine, such as Ray's, calls it before it loads its work.

    Raises:
        ImportError: this process has imported another module under the name of one of ours.
    """
    refuse_imported()
    if sys.path[:1] != [str(ROOT)]:
        sys.path[:] = [str(ROOT), *(entry for entry in sys.path if entry != str(ROOT))]
    if hasattr(sys, "ps1"):  # a notebook or an interactive session
        warn_of_hidden()
    for name in PACKAGES:
        import_module(name)


def refuse_imported() -> None:
    """Raise an ImportError if a module of another project is imported already under the name of one of ours."""
    for name in PACKAGES:
        module = sys.modules.get(name)
        if module is not None and (found := place_of(module)) != ROOT / name:
            raise ImportError(
                f"nightly_recs needs the name {name!r} for a package of its own, but this process has already "
                f"imported {found or 'another module'} under it. Rename that module, or import nightly_recs in another "
                "process.",
                name=name,
            )


def warn_of_hidden() -> None:
    """Warn of the user's own modules that ours hide from now on. A folder of installed packages is not the user's."""
    hidden = list(_hidden())
    if hidden:
        names = " and ".join(f"`import {path.stem}`" for path in hidden)
        warnings.warn(
            f"From now on {names} finds a package of nightly_recs, not {' or '.join(map(str, hidden))}. To use both in "
            f"one process, rename {'yours' if len(hidden) == 1 else 'your own'}.",
            stacklevel=4,
        )


def _hidden() -> Iterator[Path]:
    """Yield the places of the modules that `import` would find if ours were not there."""
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}
    others = [
        entry
        for entry in sys.path
        if Path(entry or ".").resolve() not in installed
        and not Path(entry or ".", "nightly_recs").is_dir()  # ours, or another checkout of it
    ]
    for name in PACKAGES:
        spec = PathFinder.find_spec(name, others)
        if spec is not None and spec.origin is not None:  # a folder without __init__.py has none
            path = Path(spec.origin).resolve()
            yield path.parent if path.stem == "__init__" else path


def place_of(module: ModuleType) -> Path | None:
    """Return the folder of a package, or the file of a module; None if it has neither."""
    folders = list(getattr(module, "__path__", ()))
    place = folders[0] if folders else getattr(module, "__file__", None)
    return None if place is None else Path(place).resolve()
