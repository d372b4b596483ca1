"""Editors' rules for single items: the table `item_rules` of the serving database, read once a night.

    block   the item is in no list of any kind
    pin     the item is at `position`, or on top, for every user who has not seen it
    boost   the item's relevance is raised by `strength` for every user; a negative strength lowers it

A rule is in force from `valid_from` to `valid_until`, both included, where they are set. They are days in UTC of real
time, not of the data's time, because they say when readers see the lists.
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

_SHOWN = 10  # item ids in one warning


@dataclass(frozen=True)
class Rule:
    """One rule in force.

    Attributes:
        rule: its kind.
        item_id: external id of the item.
        position: of a pin, from 1; None for the top. None for other kinds.
        strength: of a boost; None for other kinds.
    """

    rule: Literal["block", "pin", "boost"]
    item_id: int | str
    position: int | None
    strength: float | None

    @property
    def in_words(self) -> str:
        """The rule as text, such as 'pin 42 at 3', 'boost 7 by -0.5' or 'block 12'."""
        at = "" if self.position is None else f" at {self.position}"
        by = "" if self.strength is None else f" by {self.strength:g}"
        return f"{self.rule} {self.item_id}{at}{by}"


Rules = tuple[Rule, ...]


class WrittenRule(NamedTuple):
    """A row of `item_rules` as it was written; its days are text that may be no date."""

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
        blocked: (n_items,) bool.
        pinned: item → position, from 1 or None for the top, in the order in which the rules were written.
        boosts: (n_items,) float32, added to the relevance; 0 without a boost.
    """

    blocked: NDArray[np.bool_]
    pinned: Mapping[int, int | None]
    boosts: NDArray[np.float32]

    def places(self, n: int) -> dict[int, int]:
        """Return place (from 0) → pinned item for lists of length n.

        Pins with a position are placed first, in order of position, then pins for the top. Where a place is occupied,
        the pin takes the next free one; without a free one it is left out.
        """
        taken: dict[int, int] = {}
        for item, position in sorted(self.pinned.items(), key=lambda pin: (pin[1] is None, pin[1] or 0)):
            free = (place for place in range((position or 1) - 1, n) if place not in taken)
            place = next(free, None)
            if place is not None:
                taken[place] = item
        return taken


def today() -> date:
    """Return the current day in UTC, which decides which rules are in force."""
    return datetime.now(UTC).date()


def rules_on(day: date, rows: Iterable[WrittenRule]) -> tuple[Rules, tuple[str, ...]]:
    """Return the rules in force on `day`, and a message for each row that is no valid rule.

    Args:
        day: in UTC.
        rows: all rows of `item_rules`.
    """
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
    """Return the rules by item index. A warning names the items that are not in the data; their rules are left out.

    A blocked item is not pinned; of two pins of one item the first counts; boosts of one item add up.

    Args:
        rules: by external id.
        item_ids: (n_items,) external id of each item index.
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


def warn_of_rules_without_effect(
    rules: ItemRules, known: NDArray[np.bool_], champion: str, n: int, item_ids: Sequence[int | str]
) -> None:
    """Log the boosts of items that the champion does not know, and the pins that find no place.

    Args:
        rules: by item index.
        known: (n_items,) bool, items that the champion can score.
        champion: its name.
        n: length of the lists.
        item_ids: (n_items,) external id of each item index.
    """
    without_effect = np.flatnonzero((rules.boosts > 0) & ~known).tolist()
    _warn_of(
        f"Boosts have no effect on items that {champion} does not know",
        [str(item_ids[i]) for i in without_effect],
    )
    placed = set(rules.places(n).values())
    left_out = [
        f"{item_ids[i]} (at {position or 1})" for i, position in rules.pinned.items() if i not in placed
    ]
    _warn_of(f"Pins find no place in lists of {n}", left_out)


def _warn_of(what: str, named: Sequence[str]) -> None:
    """Log one warning with the first few names; none if there are no names."""
    if named:
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        log.warning("%s: %s%s.", what, ", ".join(named[:_SHOWN]), more)
