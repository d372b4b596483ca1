"""The list of forgotten users and items of a home: keyed hashes, so that the ids themselves are stored nowhere.

`HOME/forgotten.json` holds a random key of the home and, by it, the HMAC-SHA-256 (RFC 2104) of each id. Whoever has the
file can test whether an id is on the list, so only the owner may read it.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tasks.artifacts import IdType
from tasks.errors import NightError
from tasks.storage.cache_key import fingerprint

FILE = "forgotten.json"
IdKind = Literal["user", "item"]
Id = int | str

_BLANKS = " \t\n\v\f\r\u00a0\ufeff"
"""White space as `stripped` in sql/warehouse/clean/rejection_reasons.sql has it."""
_INTEGER = re.compile(r"([+-]?[0-9]{1,19})(?:\.0+|,0)?")
_FRACTION = re.compile(r"(?<=[0-9])(?:\.0+|,0)$")


def readings(text: str, id_type: IdType) -> tuple[str, ...]:
    """Return the ids that a value of an input file may be read as, as text; none if it is no id.

    A TEXT id such as 7.0 is read as 7 in a file whose ids are floats, else as it stands: both are returned.

    Args:
        text: the value as the file has it.
        id_type: the type of the home's ids.
    """
    value = text.strip(_BLANKS)
    if id_type == "BIGINT":
        whole = _INTEGER.fullmatch(value)
        return (str(int(whole[1])),) if whole else ()
    if value[-1:] == "0" and re.fullmatch(r"-?[0-9]+(?:\.0+|,0)", value):
        return value, _FRACTION.sub("", value)
    return (value,) if value else ()


@dataclass
class Forgotten:
    """The forgotten ids of a home.

    Attributes:
        key: the home's key, 32 random bytes.
        id_types: of user and item ids, as they were fixed when the first id was forgotten.
        users, items: the hash of each id → whether the search for what is left has found nothing yet.
    """

    key: bytes
    id_types: tuple[IdType, IdType]
    users: dict[str, bool] = field(default_factory=dict)
    items: dict[str, bool] = field(default_factory=dict)

    def hash_of(self, kind: IdKind, identifier: Id) -> str:
        """Return the keyed hash of an id: 64 hex characters."""
        return hmac.digest(self.key, f"{kind}:{identifier}".encode(), "sha256").hex()

    def of(self, kind: IdKind) -> dict[str, bool]:
        """Return the hashes of one kind of ids."""
        return self.users if kind == "user" else self.items

    def id_type(self, kind: IdKind) -> IdType:
        """Return the type of one kind of ids."""
        return self.id_types[0 if kind == "user" else 1]

    def holds(self, kind: IdKind, identifier: Id) -> bool:
        """Return whether an id is on the list."""
        return self.hash_of(kind, identifier) in self.of(kind)

    def refuses(self, kind: IdKind, text: str) -> bool:
        """Return whether a value of an input file may be read as an id on the list."""
        known = self.of(kind)
        if not known:
            return False
        return any(self.hash_of(kind, each) in known for each in readings(text, self.id_type(kind)))

    @property
    def version(self) -> str:
        """A hash of the list: the night counts a change of it as new input."""
        return fingerprint(sorted(self.users), sorted(self.items))

    def add(self, kind: IdKind, identifiers: Iterable[Id]) -> None:
        """Put ids on the list, as not yet proved to be gone."""
        self.of(kind).update({self.hash_of(kind, each): False for each in identifiers})

    def mark_proved(self, kind: IdKind, identifiers: Iterable[Id]) -> None:
        """Note that the search for these ids has found nothing."""
        self.of(kind).update({self.hash_of(kind, each): True for each in identifiers})

    def remove(self, kind: IdKind, identifier: Id) -> None:
        """Take an id off the list."""
        del self.of(kind)[self.hash_of(kind, identifier)]


def new_list(id_types: tuple[IdType, IdType]) -> Forgotten:
    """Return an empty list with a new key."""
    return Forgotten(secrets.token_bytes(32), id_types)


def read_forgotten(path: Path) -> Forgotten | None:
    """Return the list in a file; None if there is no file, or nothing is on it.

    Raises:
        NightError: the file is damaged, or another user's. No night may run then: it would take forgotten ids in.
    """
    found = read_list(path)
    return found if found is not None and (found.users or found.items) else None


def read_list(path: Path) -> Forgotten | None:
    """Return the list in a file, even an empty one; None if there is no file. Raises as `read_forgotten`."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        user, item = about["id_types"]
        return Forgotten(bytes.fromhex(about["key"]), (user, item), about["users"], about["items"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NightError(
            f"{path} cannot be read ({error}): it lists who must not be taken in again.",
            "Restore it from a backup. If it is lost, remove it and forget the ids again: recs forget.",
        ) from error


def write_forgotten(path: Path, forgotten: Forgotten) -> None:
    """Write the list atomically, readable by its owner only from its first byte on."""
    about = {
        "key": forgotten.key.hex(),
        "id_types": list(forgotten.id_types),
        "users": forgotten.users,
        "items": forgotten.items,
    }
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(about, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
