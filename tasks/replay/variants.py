"""Read the variants of a replay: named sets of settings over those of the configuration."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from tasks.config.list_settings import NO_EFFECT_ON_REPLAYS, without_effect
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.replay.plan import BASE, Variant, parse_period

_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,39}", re.ASCII)


def read_variants(
    file: Path | None, every: timedelta, load: Callable[[tuple[str, ...]], Settings]
) -> tuple[Variant, ...]:
    """Return the variant `base`, the settings as they are, and those of a TOML file, in its order.

    A table of the file is a variant: `every`, and settings as in pipeline.toml.

    Args:
        file: the file; None for `base` alone.
        every: the time between the nights of `base`, and of variants that say nothing else.
        load: returns the settings with further `section.key=value` overrides.

    Raises:
        UsageError: the file cannot be read, or a variant has a name, a key or a value that does not fit.
    """
    variants = [Variant(BASE, load(()), every)]
    for name, table in ({} if file is None else _tables(file)).items():
        variants.append(_variant(name, table, every, load))
    return tuple(variants)


def _variant(name: str, table: Any, every: timedelta, load: Callable[[tuple[str, ...]], Settings]) -> Variant:
    if not isinstance(table, dict):
        raise UsageError(
            f"{name} = {table!r} in the file of variants belongs to no variant.",
            f"Each variant is a table with a name: [my_variant], then {name} = …",
        )
    if name == BASE or not _NAME.fullmatch(name):
        why = "means the settings as they are" if name == BASE else "is no plain word"
        raise UsageError(
            f"A variant cannot be called {name!r}, which {why}.",
            "Choose another name, of letters, digits, _ and -.",
        )
    given = dict(table)
    own = parse_period(given.pop("every"), f"Variant {name}: every") if "every" in given else every
    for section, value in given.items():
        if not isinstance(value, dict):
            raise UsageError(
                f"Variant {name}: {section} is no setting.",
                "A variant takes `every`, and settings with their section, such as models.als.factors = 64.",
            )
        if section == "data":
            raise UsageError(
                f"Variant {name}: the settings of data must be the same for all variants.",
                "Leave them out here; --config and --set change them for all.",
            )
    if useless := ", ".join(without_effect(given, NO_EFFECT_ON_REPLAYS)):
        raise UsageError(
            f"Variant {name}: a replay's lists do not depend on {useless}.",
            "Leave that out: replayed nights publish, check and report nothing, and use no tuned settings.",
        )
    try:
        return Variant(name, load(tuple(_overrides(given))), own)
    except UsageError as error:
        raise UsageError(f"Variant {name}: {error}", error.hint) from None


def _overrides(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield `section.key=value` for each value; JSON's strings, numbers and lists are TOML's, too."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _overrides(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={json.dumps(value, default=str)}"


def changes_of(variant: Variant, base: Variant) -> str:
    """Return what distinguishes a variant from `base`, such as `a night every 28 days, models.als.factors=512`."""
    own, other = (set(_overrides(each.settings.model_dump(mode="json"))) for each in (variant, base))
    every = [] if variant.every == base.every else [f"a night every {variant.every.days} days"]
    return ", ".join((*every, *sorted(own - other))) or "nothing"


def _tables(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"The file of variants {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"The file of variants {file} is not UTF-8.", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The file of variants {file} is not valid TOML: {error}.") from None
