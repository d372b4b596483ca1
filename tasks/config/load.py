"""Load settings from `pipeline.toml`, the environment (`RECS_SECTION__KEY`) and `--set section.key=value`."""

from __future__ import annotations

import codecs
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from models.did_you_mean import did_you_mean
from models.registry import config_class, require_known
from tasks.config.messages import explain
from tasks.config.settings import Settings, UtilitySettings
from tasks.config.tuned_settings import Tuned, read_tuned, reason_to_ignore
from tasks.errors import UsageError

DEFAULT_FILE = Path("pipeline.toml")
_LOGIN = re.compile(r"://[^\s/]*@")
"""A user's name, and perhaps a password, in an address."""
_ADDRESSES = {"publish": "RECS_PUBLISH__URL", "notify": "RECS_NOTIFY__URL"}
"""Sections whose `url` comes from the environment only."""
OTHER_VARIABLES = ("RECS_HOME",)  # read by the command line


class Layers(NamedTuple):
    """Settings as they were given, and as they are in force.

    Attributes:
        asked: by `--set`, as nested tables.
        in_file: the content of the settings file.
        tuned: found by `recs tune`, and in use.
        settings: of all layers, the environment's, too.
        notes: on the tuned settings, see `night_settings`.
    """

    asked: dict[str, Any]
    in_file: dict[str, Any]
    tuned: dict[str, Any]
    settings: Settings
    notes: list[str]


def load_settings(path: Path | None = None, overrides: tuple[str, ...] = ()) -> Settings:
    """Return the settings of a TOML file, the environment and `section.key=value` overrides; later ones win.

    Args:
        path: the file; by default `pipeline.toml` in the current folder if there is one.
        overrides: such as `models.als.factors=64`; the right side is TOML, or else a string.

    Raises:
        UsageError: no such file, bad TOML, an unknown key (the nearest known one is named), a value out of range,
            or an address that may hold a password is given anywhere but in the environment.
    """
    return _layered(*_command_line_and_file(path, overrides))


def night_settings(
    path: Path | None, overrides: tuple[str, ...], *, tuned: Path, as_of: datetime | None
) -> tuple[Settings, list[str]]:
    """Return the settings as `load_settings` does, with tuned settings in place of defaults.

    `models.tuned = false` leaves the tuned settings out.

    Args:
        path, overrides: as for `load_settings`.
        tuned: the home's `tuned.toml`.
        as_of: the requested end of the data; None for just after the newest interaction.

    Returns:
        The settings, and notes on the tuned ones: a line on those in use, and a line for each reason why others are
        ignored.

    Raises:
        UsageError: as `load_settings`, or `tuned` is not valid TOML.
    """
    layers = layers_of(path, overrides, tuned=tuned, as_of=as_of)
    return layers.settings, layers.notes


def layers_of(
    path: Path | None, overrides: tuple[str, ...], *, tuned: Path | None, as_of: datetime | None = None
) -> Layers:
    """Return the settings of `night_settings`, and where they come from.

    Args:
        path, overrides, tuned, as_of: as there; without `tuned` no tuned settings are read.
    """
    asked, in_file = _command_line_and_file(path, overrides)
    plain = _layered(asked, in_file)
    if tuned is None or not plain.models.tuned:
        return Layers(asked, in_file, {}, plain, [])
    file = read_tuned(tuned)
    ignored = dict(file.stale)
    taken: dict[str, dict[str, Any]] = {}
    for name, model in file.found.items():
        if why := reason_to_ignore(model.evidence, plain, as_of):
            ignored[name] = why
            continue
        given = plain.models.config(name).model_fields_set
        if free := {field: value for field, value in model.settings.items() if field not in given}:
            taken[name] = free
    notes = _notes(tuned, {name: file.found[name] for name in taken}, ignored)
    of_models = {"models": taken}
    return Layers(asked, in_file, of_models, _layered(asked, in_file, of_models), notes)


def _notes(path: Path, used: Mapping[str, Tuned], ignored: Mapping[str, str]) -> list[str]:
    dated = ", ".join(f"{name} ({model.evidence.date[:10]})" for name, model in used.items())
    notes = [f"Tuned settings of {dated}, from {path}"] if used else []
    for why in dict.fromkeys(ignored.values()):
        names = ", ".join(name for name in ignored if ignored[name] == why)
        notes.append(
            f"Without the tuned settings of {names} in {path}: {why}. Run `recs tune` again, or set "
            "models.tuned=false to hear no more of it."
        )
    return notes


def with_defaults() -> Settings:
    """Return the settings without a file, an environment or `--set`."""
    with_signals = UtilitySettings.model_validate(_default_utility())
    return Settings.model_construct().model_copy(update={"utility": with_signals})


def parse_model_names(text: str | None) -> tuple[str, ...]:
    """Return the names in the value of `--models`, separated by commas or blanks; none if the option is not given.

    Raises:
        UsageError: the value holds no name, such as that of an unset shell variable, or the name of no model.
    """
    if text is None:
        return ()
    names = parse_names("--models", text)
    for name in names:
        try:
            require_known(name)
        except ValueError as error:
            raise UsageError(f"--models is wrong: {error}") from None
    return names


def parse_names(option: str, text: str) -> tuple[str, ...]:
    """Return the names of models in the value of an option, separated by commas or blanks, each once.

    Raises:
        UsageError: there is none, such as in the value of an unset shell variable.
    """
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if not names:
        raise UsageError(
            f"{option} names no model.", f"Name some, as in {option} als,item_knn, or leave it out."
        )
    return names


def _command_line_and_file(
    path: Path | None, overrides: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the settings of the command line and those of the file."""
    in_file, asked = _read_toml(path), _nested(overrides)
    _refuse_address(in_file)
    _refuse_address(asked)
    _refuse_unknown_variables()
    return asked, in_file


def _layered(asked: dict[str, Any], in_file: dict[str, Any], *before: dict[str, Any]) -> Settings:
    """Merge `--set`, environment, file and the `before` layers, in falling order of precedence, and validate them."""
    defaults = _default_utility()

    class _Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del init_settings, dotenv_settings, file_secret_settings  # not used
            layers = (asked, in_file, *before, {"utility": defaults})
            first, *rest = (InitSettingsSource(settings_cls, init_kwargs=layer) for layer in layers)
            return first, env_settings, *rest

    try:
        layered = _Layered()
        for name in layered.models.model_extra or {}:
            try:
                layered.models.config(name)
            except ValidationError as error:
                raise UsageError(*explain(error, config_class(name), ("models", name))) from None
    except ValidationError as error:
        raise UsageError(*explain(error, Settings, ())) from None
    except SettingsError as error:
        raise UsageError(f"A RECS_ variable of the environment cannot be read: {error}.") from None
    return layered


def _default_utility() -> dict[str, Any]:
    """Return the signals and events that count where no layer names any."""
    return UtilitySettings().model_dump(include={"signals", "positive_events"}, exclude_none=True)


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None and not DEFAULT_FILE.exists():
        return {}
    path = path or DEFAULT_FILE
    try:
        content = path.read_bytes()
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
            raise UsageError(
                f"The settings file {path} is UTF-16, not UTF-8.",
                'Save it as UTF-8: in Notepad by "Save as", in PowerShell by Set-Content -Encoding utf8.',
            )
        return tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"The settings file {path} is not UTF-8: line {line} holds the byte 0x{content[error.start]:02X}.",
            "Save it as UTF-8.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"The settings file {path} is not valid TOML: {error}.", _toml_advice(error)
        ) from None


def refuse_secrets(overrides: tuple[str, ...]) -> None:
    """Raise UsageError if one of `--set` holds an address that belongs into the environment, or is malformed."""
    _refuse_address(_nested(overrides))


def _refuse_address(layer: dict[str, Any]) -> None:
    """Raise if `layer` has an address that may hold a secret: files are shared, command lines visible to all."""
    for section, variable in _ADDRESSES.items():
        table = layer.get(section)
        if isinstance(table, dict) and "url" in table:
            raise UsageError(
                f"{section}.url belongs neither into a file nor on the command line, because it may hold a password.",
                f"Set the environment variable {variable} instead.",
            )
    tracking = layer.get("tracking")
    if isinstance(tracking, dict) and _LOGIN.search(str(tracking.get("uri", ""))):
        raise UsageError(
            "tracking.uri with a user or a password belongs neither into a file nor on the command line.",
            "Set the environment variable RECS_TRACKING__URI instead.",
        )


def _refuse_unknown_variables() -> None:
    """Raise for RECS_ variables of no section: pydantic ignores them, so that a typing error would go unnoticed."""
    prefix = Settings.model_config.get("env_prefix", "")
    known = [f"{prefix}{section}".upper() for section in Settings.model_fields]
    for variable in sorted(os.environ):
        section = variable.upper().partition("__")[0]
        if section.startswith(prefix) and section not in {*known, *OTHER_VARIABLES}:
            hint = did_you_mean(section, known, cutoff=0.4, shown=lambda near: f"{near}__…")
            raise UsageError(
                f"The environment variable {variable} sets nothing.",
                f"{hint} Known here: {', '.join(known)}.".lstrip(),
            )


def _nested(overrides: tuple[str, ...]) -> dict[str, Any]:
    """`('a.b=1',)` → `{'a': {'b': 1}}`."""
    tree: dict[str, Any] = {}
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = dotted.strip().split(".")
        if not equals or len(keys) < 2 or not all(keys):
            raise UsageError(
                f"--set {override!r} is not of the form section.key=value.",
                "For example: --set split.method=leave_last",
            )
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
            if not isinstance(branch, dict):
                raise UsageError(
                    f"--set {override!r} contradicts another --set.", f"{key} already has a value."
                )
        branch[keys[-1]] = toml_value(text.strip())
    return tree


def toml_value(text: str) -> Any:
    """Return the text as a TOML value, or else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _toml_advice(error: tomllib.TOMLDecodeError) -> str:
    if "Cannot declare" in str(error):
        return "A [table] may stand in a file only once: write its new lines where it stands already."
    if "Expected newline" in str(error):
        return "A [table] stands on a line of its own, and its settings, name = value, on the lines below it."
    return ""
