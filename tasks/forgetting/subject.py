"""The users and items that one call forgets, and how to recognise them in text, in bytes and in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tasks.artifacts import IdType
from tasks.config.data_settings import DataSettings
from tasks.forgetting.mentions import Mentions, is_own_word
from tasks.ingestion.refused_rows import Refusal
from tasks.storage.forgotten import Id, IdKind, new_list

LEAST_BYTES = 6
"""Shorter ids, and whole numbers, occur everywhere by chance: they are searched for in columns of ids alone."""
KINDS_OF_IDS: tuple[IdKind, ...] = ("user", "item")
COLUMNS: dict[str, IdKind] = {
    "user_id": "user", "friend_id": "user", "item_id": "item", "head_item": "item", "tail_item": "item",
    "similar_item_id": "item", "reason_item_id": "item",
}  # fmt: skip
"""Names of the columns that hold ids, wherever a table of ours lies."""


@dataclass(frozen=True)
class Subject:
    """The users and items to forget.

    Attributes:
        users, items: their ids.
        id_types: the home's types of user and item ids.
        item_prefix: what an item's name begins with in relations.
        longer: ids of others that hold one of the users' ids as a part, see `longer_ids.py`.
    """

    users: tuple[Id, ...]
    items: tuple[Id, ...]
    id_types: tuple[IdType, IdType]
    item_prefix: str
    longer: frozenset[str] = frozenset()

    def of(self, kind: IdKind) -> tuple[Id, ...]:
        """Return the ids of one kind."""
        return self.users if kind == "user" else self.items

    def only(self, kind: IdKind, identifier: Id) -> Subject:
        """Return a subject of one id."""
        users, items = ((identifier,), ()) if kind == "user" else ((), (identifier,))
        return Subject(users, items, self.id_types, self.item_prefix)

    @cached_property
    def refusal(self) -> Refusal:
        """The refusal of landing if just these ids were forgotten."""
        listed = new_list(self.id_types)
        listed.add("user", self.users)
        listed.add("item", self.items)
        return Refusal(listed, self.item_prefix)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The users' ids that can be searched for byte by byte: text, long enough, and no word of the product."""
        if self.id_types[0] == "BIGINT":
            return ()
        long_enough = (str(user) for user in self.users if len(str(user).encode()) >= LEAST_BYTES)
        return tuple(user for user in long_enough if not is_own_word(user))

    @cached_property
    def mentions(self) -> Mentions:
        """The search for these ids in text and among bytes."""
        return Mentions(self.texts, self.longer)

    def named_in(self, table_columns: Iterable[str]) -> list[tuple[str, tuple[Id, ...]]]:
        """Return the columns of a table that may hold one of the ids, with the ids to look for in each."""
        found = [(name, self.of(COLUMNS[name])) for name in table_columns if name in COLUMNS]
        return [(name, ids) for name, ids in found if ids]


def subject_of(
    users: Sequence[Id], items: Sequence[Id], id_types: tuple[IdType, IdType], settings: DataSettings
) -> Subject:
    """Return a subject, each id once.

    Args:
        users: their ids.
        items: their ids.
        id_types: the home's types of ids.
        settings: say how relations name items.
    """
    prefix = settings.relations.item_prefix
    return Subject(tuple(dict.fromkeys(users)), tuple(dict.fromkeys(items)), id_types, prefix)
