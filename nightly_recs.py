"""The command `recs`, and a check that `flows`, `tasks` and `models` are ours.

Other projects have packages of these names, too; this module's name is ours alone, so it is found among them.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parent
_PACKAGES = ("flows", "tasks", "models")


def main() -> None:
    """Run the command line."""
    refuse_other_packages()
    from flows.cli import app  # noqa: PLC0415  (after the check)

    app.main()


def refuse_other_packages() -> None:
    """End the process with exit code 2 if Python finds packages of other projects in place of ours."""
    found = {name: _place(name) for name in _PACKAGES}
    others = [str(place) for name, place in found.items() if place != _ROOT / name]
    if not others:
        return
    sys.stderr.write(
        f"Error: {' and '.join(others)} of another project {'hides' if len(others) == 1 else 'hide'} the packages of "
        f"the same {'name' if len(others) == 1 else 'names'} in {_ROOT}.\n"
        "Take the folder out of PYTHONPATH for this command: env -u PYTHONPATH recs ...\n"
    )
    sys.exit(2)


def _place(name: str) -> Path | None:
    """Return the folder of a package, or the file of a module, that `import` would load. Nothing is loaded."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return None if spec.origin is None else Path(spec.origin).resolve()
