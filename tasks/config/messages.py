"""Explain a wrong setting in one sentence: its name, the values it takes, and the value given."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from models.did_you_mean import did_you_mean

_ENDS = {Ge: "of at least", Gt: "above", Le: "at most", Lt: "below"}
_PASSWORD = re.compile(r"(?<=:)[^/:@]+(?=@)")
"""The password of an address, which messages leave out."""
_REPLACED = ("int_", "float_", "bool_", "tuple_", "greater_", "less_", "finite_")
"""Prefixes of pydantic's error types to replace by the values that the setting takes; pydantic explains others well."""


_NO_TABLE = ("model_type", "model_attributes_type", "dict_type")
"""Pydantic's error types of a value where a table of settings is expected."""


def explain(error: ValidationError, model: type[BaseModel], prefix: tuple[str, ...]) -> tuple[str, str]:
    """Return a sentence on the first error, and a hint.

    Args:
        error: raised by pydantic for `model`.
        model: the settings, or a section of them.
        prefix: the keys that lead to `model`.
    """
    first = error.errors()[0]
    keys = tuple(str(part) for part in first["loc"])
    name = ".".join((*prefix, *keys))
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, keys[:-1])
        hint = did_you_mean(
            keys[-1], known, cutoff=0.4, shown=lambda near: ".".join((*prefix, *keys[:-1], near))
        )
        return f"There is no setting {name}.", f"{hint} Known here: {', '.join(known)}.".lstrip()
    if not keys and not prefix:
        return f"The settings contradict each other: {_reason(first, [])}.", ""
    fields = _fields(model, keys)
    if first["type"] == "missing":
        return f"The setting {name} is missing.", (fields[-1].description or "") if fields else ""
    described = [field.description for field in fields if field.description]
    hint = described[-1] if described else "The comments in pipeline.toml say what each setting takes."
    return f"The setting {name} is wrong: {_reason(first, fields)}{_given(first['input'])}.", hint


def _given(value: Any) -> str:
    return f" (given: {_toml(value)})" if isinstance(value, str | int | float | list) else ""


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(element) for element in value)}]"
    if isinstance(value, str):
        return repr(_PASSWORD.sub("***", value))
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _reason(error: Any, fields: list[FieldInfo]) -> str:
    """Return the values that the setting takes, with both ends of their range; or else pydantic's message."""
    takes = _takes(fields[-1]) if fields else ""
    if takes and error["type"].startswith(_REPLACED):
        return f"it takes {takes}"
    if error["type"] in _NO_TABLE:
        names = ", ".join(_keys_of(fields[-1].annotation)) if fields else ""
        return f"it takes a table of {names}" if names else "it takes a table"
    if error["type"] == "too_short":
        return f"it takes {error['ctx']['min_length']} or more of them"
    message = str(error["msg"]).removeprefix("Value error, ").removesuffix(".")
    return message.replace("Input should be a valid ", "it takes a ").replace("Input should be ", "it takes ")


def _takes(field: FieldInfo) -> str:
    """Return a phrase such as 'a whole number of at least 1 and at most 2048'; empty unless a number or bool."""
    several = get_origin(field.annotation) is tuple
    one = _element(field.annotation) if several else field
    kinds = (one.annotation, *get_args(one.annotation))  # of int | None both
    if bool in kinds:
        return "true or false"
    if int not in kinds and float not in kinds:
        return "a list" if several else ""
    number = "whole number" if int in kinds else "number"
    return " ".join((f"a list of {number}s" if several else f"a {number}", _range(one))).rstrip()


def _range(field: FieldInfo) -> str:
    """Return a phrase such as 'of at least 1 and at most 2048'."""
    ends = [
        f"{words} {getattr(end, kind.__name__.lower())}"
        for kind, words in _ENDS.items()
        for end in field.metadata
        if isinstance(end, kind)
    ]
    return " and ".join(ends)


def _fields(model: type[BaseModel], keys: tuple[str, ...]) -> list[FieldInfo]:
    """Return the fields along the path `keys`, elements of lists and tables included; none if there is no such path."""
    found: list[FieldInfo] = []
    inside: Any = model
    for key in keys:
        if _is_table(inside):
            field = inside.model_fields.get(key)
        else:
            field = _element(inside) if get_origin(inside) in (tuple, dict) else None
        if field is None:
            return []
        found.append(field)
        inside = _table_in(field.annotation)
    return found


def _element(annotation: Any) -> FieldInfo:
    """Return X of tuple[X, ...] or dict[str, X], with its range."""
    first, second = get_args(annotation)
    return FieldInfo.from_annotation(second if get_origin(annotation) is dict else first)


def _table_in(annotation: Any) -> Any:
    """Return X of `X | None` where X is a table, which may be left out; any other annotation as it is."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next((kind for kind in get_args(annotation) if _is_table(kind)), annotation)


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _known_keys(model: type[BaseModel], keys: tuple[str, ...]) -> list[str]:
    return _keys_of(_fields(model, keys)[-1].annotation if keys else model)


def _keys_of(annotation: Any) -> list[str]:
    inside = _table_in(annotation)
    return sorted(inside.model_fields) if _is_table(inside) else []
