"""Settings of public data sets as they are published: one TOML file each, whose first line says what the set is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from models.did_you_mean import did_you_mean
from tasks.errors import UsageError

_FOLDER = Path(__file__).resolve().parent


@cache
def layout_names() -> tuple[str, ...]:
    """Return the names of the layouts, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def layout_file(name: str) -> Path:
    """Return the settings file of a layout.

    Raises:
        UsageError: there is no layout of this name.
    """
    if name not in layout_names():
        hint = did_you_mean(name, layout_names())
        raise UsageError(
            f"There is no layout {name!r}.", f"{hint} Known: {', '.join(layout_names())}.".lstrip()
        )
    return _FOLDER / f"{name}.toml"


def summary_of(name: str) -> str:
    """Return the first line of a layout's file, which says what the data set is."""
    with layout_file(name).open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").rstrip()


def settings_file(config: Path | None, layout: str | None) -> Path | None:
    """Return the settings file that `--config` or `--layout` names; None if neither is given.

    Raises:
        UsageError: both are given, or there is no such layout.
    """
    if layout is None:
        return config
    if config is not None:
        raise UsageError(
            "--layout and --config are both given, and each is a settings file of its own.",
            f"To change a layout: recs layouts {layout} > my.toml, edit it, and give --config my.toml alone.",
        )
    return layout_file(layout)
