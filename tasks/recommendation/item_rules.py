"""What editors say about single items: the table `item_rules` of the serving database, read once a night.

    block   the item stands in no list of any kind
    pin     it stands at `position`, or on top, for everybody who has not seen it
    boost   its relevance is raised by `strength` for everybody; below zero, lowered

A rule counts from `valid_from` to `valid_until`, both included, where it has them: days in UTC of the calendar on the
wall, not of the data, for they say when readers see the lists.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

_SHOWN = 10


@dataclass(frozen=True)
class Rule:
    """One row that counts tonight. `position` is of pins, from 1 and None for the top; `strength` is of boosts."""

    rule: Literal["block", "pin", "boost"]
    item_id: int | str
    position: int | None
    strength: float | None

    @property
    def in_words(self) -> str:
        """Such as 'pin 42 at 3', 'boost 7 by -0.5', 'block 12'."""
        at = "" if self.position is None else f" at {self.position}"
        by = "" if self.strength is None else f" by {self.strength:g}"
        return f"{self.rule} {self.item_id}{at}{by}"


Rules = tuple[Rule, ...]


class WrittenRule(NamedTuple):
    """A row of `item_rules` as it was written; days as text, not yet known to be any."""

    rule_id: int
    rule: Any
    item_id: Any
    position: Any
    strength: Any
    valid_from: str | None
    valid_until: str | None


@dataclass(frozen=True)
class ItemRules:
    """Rules by item index.

    Attributes:
        blocked: (n_items,).
        pinned: item → position, from 1 or None for the top, in the order in which they were made.
        boosts: (n_items,) float32, 0 for most.
    """

    blocked: NDArray[np.bool_]
    pinned: Mapping[int, int | None]
    boosts: NDArray[np.float32]

    def places(self, n: int) -> dict[int, int]:
        """Place, from 0, → pinned item, in a list of n: those with a position first, then those for the top.

        Where a place is taken the next free one serves; who finds none is left out.
        """
        taken: dict[int, int] = {}
        for item, position in sorted(self.pinned.items(), key=lambda pin: (pin[1] is None, pin[1] or 0)):
            free = (place for place in range((position or 1) - 1, n) if place not in taken)
            place = next(free, None)
            if place is not None:
                taken[place] = item
        return taken


def today() -> date:
    """The day that decides which rules count."""
    return datetime.now(UTC).date()


def rules_on(day: date, rows: Iterable[WrittenRule]) -> tuple[Rules, tuple[str, ...]]:
    """The rules that count on `day`, and what is wrong with each row that cannot be read."""
    rules, faults = [], []
    for row in rows:
        try:
            if not isinstance(row.item_id, int | str):
                raise ValueError(f"its item_id {row.item_id!r} is no id")
            begins = _day("valid_from", row.valid_from) or date.min
            ends = _day("valid_until", row.valid_until) or date.max
        except ValueError as wrong:
            faults.append(f"rule_id {row.rule_id}: {wrong}")
            continue
        if begins <= day <= ends:
            rules.append(Rule(row.rule, row.item_id, row.position, row.strength))
    return tuple(rules), tuple(faults)


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"its {name} {text!r} is no day of the calendar") from None


def by_index(rules: Rules, item_ids: Sequence[int | str]) -> ItemRules:
    """Rules of items that the data does not know are left out, with a warning that names them.

    A blocked item is not pinned; of two pins of one item the first counts; boosts of one item add up.
    """
    index = {item: number for number, item in enumerate(item_ids)} if rules else {}
    unknown = [f"{rule.item_id} ({rule.rule})" for rule in rules if rule.item_id not in index]
    _warn_of("Rules name items that are not in the data", unknown)
    blocked, boosts = np.zeros(len(item_ids), np.bool_), np.zeros(len(item_ids), np.float32)
    pinned: dict[int, int | None] = {}
    for rule in rules:
        item = index.get(rule.item_id)
        if item is None:
            continue
        if rule.rule == "block":
            blocked[item] = True
        elif rule.rule == "boost":
            boosts[item] += rule.strength or 0
        else:
            pinned.setdefault(item, rule.position)
    return ItemRules(blocked, {i: p for i, p in pinned.items() if not blocked[i]}, boosts)


def warn_of_idle(
    rules: ItemRules, known: NDArray[np.bool_], champion: str, n: int, item_ids: Sequence[int | str]
) -> None:
    """Name the boosts and pins that do nothing in lists of `n`; `known` are the items that the champion knows."""
    idle = np.flatnonzero((rules.boosts > 0) & ~known).tolist()
    _warn_of(f"Boosts raise nothing of which {champion} knows nothing", [str(item_ids[i]) for i in idle])
    placed = set(rules.places(n).values())
    left_out = [
        f"{item_ids[i]} (at {position or 1})" for i, position in rules.pinned.items() if i not in placed
    ]
    _warn_of(f"Pins find no place in lists of {n}", left_out)


def _warn_of(what: str, named: Sequence[str]) -> None:
    """Say it once, with the first few names."""
    if named:
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        log.warning("%s: %s%s.", what, ", ".join(named[:_SHOWN]), more)
