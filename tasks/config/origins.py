"""Tell where the value of each setting comes from: the command line, the environment, a file or the defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr

from models.did_you_mean import did_you_mean
from tasks.config.load import DEFAULT_FILE, Layers, layers_of, with_defaults
from tasks.config.settings import Settings
from tasks.errors import UsageError

DEFAULT = "default"
_HEADER = re.compile(r"^\s*\[(?P<name>[^\[\]]+)\]")
_KEY = re.compile(r"^\s*(?P<name>[A-Za-z0-9_.\"'-]+)\s*=")


class Setting(NamedTuple):
    """A setting and its origin.

    Attributes:
        name: such as `split.method`.
        value: as JSON can write it; an address that may hold a password is hidden.
        origin: `default`, a file and its line, the name of a variable of the environment, or `--set`.
    """

    name: str
    value: Any
    origin: str

    @property
    def is_changed(self) -> bool:
        """Whether the value is not the default one."""
        return self.origin != DEFAULT and self.value != _defaults().get(self.name)


def settings_with_origins(
    path: Path | None, overrides: tuple[str, ...], *, tuned: Path | None = None
) -> list[Setting]:
    """Return every setting in force, in the order of pipeline.toml.

    Args:
        path: the settings file; by default `pipeline.toml` in the current folder if there is one.
        overrides: as `--set` takes them.
        tuned: the home's `tuned.toml`, of which what is in use counts; None without a home.

    Raises:
        UsageError: as `tasks.config.load.load_settings`.
    """
    layers = layers_of(path, overrides, tuned=tuned)
    file = path or DEFAULT_FILE
    lines = _lines(file.read_text(encoding="utf-8-sig")) if layers.in_file else {}
    return [
        Setting(".".join(keys), value, _origin(keys, layers, file, lines, tuned))
        for keys, value in _leaves(layers.settings)
    ]


def in_section(found: list[Setting], section: str) -> list[Setting]:
    """Return the settings of a section or table, or the one of this name.

    Raises:
        UsageError: there is none; the nearest section is named.
    """
    inside = [each for each in found if f"{each.name}.".startswith(f"{section}.")]
    if not inside:
        sections = list(dict.fromkeys(each.name.partition(".")[0] for each in found))
        hint = did_you_mean(section, [*sections, *(each.name for each in found)], cutoff=0.5)
        raise UsageError(
            f"There is no setting {section}.", f"{hint} Sections: {', '.join(sections)}.".lstrip()
        )
    return inside


@cache
def _defaults() -> dict[str, Any]:
    """Return the values of all settings that nobody has set."""
    return {".".join(keys): value for keys, value in _leaves(with_defaults())}


def _leaves(settings: Settings) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the keys and the value of each setting; a model's hyperparameters only where one is given."""
    for section in type(settings).model_fields:
        table = getattr(settings, section)
        if isinstance(table, BaseModel):
            yield from _of_table((section,), table)
        else:
            yield (section,), _plain(table)


def _of_table(above: tuple[str, ...], table: BaseModel) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, BaseModel):
            yield from _of_table((*above, name), value)
        elif isinstance(value, Mapping) and any(isinstance(each, BaseModel) for each in value.values()):
            for key, each in value.items():
                yield from _of_table((*above, name, key), each)
        else:
            yield (*above, name), _plain(value)
    for name, given in (table.model_extra or {}).items():
        if isinstance(given, Mapping):
            for key, value in given.items():
                yield (*above, name, key), _plain(value)
        else:
            yield (*above, name), _plain(given)


def _plain(value: Any) -> Any:
    """Return a value as JSON can write it; addresses with a password, which are secret strings, are hidden."""
    if isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, date | time | Path):
        return str(value)
    return value


def _origin(
    keys: tuple[str, ...],
    layers: Layers,
    file: Path,
    lines: Mapping[tuple[str, ...], int],
    tuned: Path | None,
) -> str:
    if _has(layers.asked, keys):
        return "--set"
    variable = _variable(keys)
    if variable is not None:
        return variable
    if _has(layers.in_file, keys):
        near = next(lines[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in lines)
        return f"{file}:{near}"
    return str(tuned) if _has(layers.tuned, keys) else DEFAULT


def _has(layer: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(layer, Mapping) or key not in layer:
            return False
        layer = layer[key]
    return True


def _variable(keys: tuple[str, ...]) -> str | None:
    """Return the variable of the environment that sets a key, or a table that it is in."""
    prefix = Settings.model_config.get("env_prefix", "")
    given = {name.upper(): name for name in os.environ}
    names = ("__".join((prefix + keys[0], *keys[1:end])).upper() for end in range(len(keys), 0, -1))
    return next((given[name] for name in names if name in given), None)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the keys of each table and setting of a TOML file → its line, from 1; () is line 1."""
    found: dict[tuple[str, ...], int] = {(): 1}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header["name"])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key["name"])), number)
    return found


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in name.split("."))
