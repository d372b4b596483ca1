"""Settings that change no list and no score: fingerprints leave them out, and a replay's variants cannot set them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NO_EFFECT_ON_LISTS: dict[str, Any] = {
    "run": {"parallel_fits"},
    "resources": True,
    "data": {"settle_seconds", "max_set_aside_share"},
    "publish": {"url", "keep_runs"},
    "tracking": True,
    "monitoring": True,
    "notify": True,
    "retention": True,
    "engine": True,
}
"""Section → its settings without effect on the lists of a night, as pydantic's `exclude`; True: all of them.

`publish.trial` is not among them: it decides whose lists the challenger makes. Which increments have settled, and which
could be read, counts as part of the input. Where `resources` change what a model learns, the key of its fit says so: it
holds the number of threads (`Config.machine_state`) and the `memory_mb` that is left to the model.
"""

NO_EFFECT_ON_REPLAYS: dict[str, Any] = {
    **NO_EFFECT_ON_LISTS,
    "publish": True,
    "check": True,
    "models": {"tuned"},
}
"""The same of a replayed night, which publishes and checks nothing, and uses no tuned settings."""


def without_effect(given: Mapping[str, Any], excluded: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings of `given`, such as `run.parallel_fits`, that `excluded` names.

    Args:
        given: section → its settings, or something else, which names none.
        excluded: one of the tables of this module.
    """
    for section, settings in given.items():
        names = excluded.get(section, set())
        if isinstance(settings, Mapping):
            yield from (f"{section}.{name}" for name in settings if names is True or name in names)
