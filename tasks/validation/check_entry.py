"""One check: what is measured, the limit, and what to do when it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tasks.config.settings import CheckSettings
from tasks.validation.night_figures import CheckedNight

Bound = Literal["at least", "at most"]


@dataclass(frozen=True)
class Sql:
    """A value of one relation: the single row of `select <value> from <relation>`.

    `relation` is one of those that sql/warehouse/checks/ makes; checks of the same relation share one scan.
    """

    value: str
    relation: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check. Without a value, or without a limit, it passes.

    Attributes:
        name: its name in `run_checks`.
        meaning: what the value is, as a noun phrase.
        value: how it is measured; a function returns None where there is nothing to compare with.
        bound: which side of the limit is right.
        limit: the limit, if it is always the same.
        setting: the name of the setting under `check` that the limit comes from, otherwise.
        of_setting: turns the setting into the limit; None switches the check off.
        advice: what to do when it fails.
        note: what else docs/night.md says of it.
        detail: measured like the value, as text: the places of the fault.
    """

    name: str
    meaning: str
    value: Sql | Callable[[CheckedNight], float | None]
    bound: Bound = "at most"
    limit: float = 0
    setting: str = ""
    of_setting: Callable[[float], float | None] = lambda setting: setting
    advice: str
    note: str = ""
    detail: str | Callable[[CheckedNight], str] = ""

    def limit_of(self, settings: CheckSettings) -> float | None:
        """Return the limit under these settings; None if there is none."""
        return self.of_setting(getattr(settings, self.setting)) if self.setting else self.limit
