"""Find, and blank, ids that are text wherever they stand: in paths, reasons, pages, or among the bytes of any file.

An id may be a part of another one: `user-1` stands in `user-10`. So a place counts only if it does not go on as a known
longer id does; without such ids every place counts, whatever stands around it.
"""

from __future__ import annotations

import html
import json
import mmap
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path

from tasks.storage.warehouse import SQL

ANONYMOUS = "(forgotten)"
"""Stands in texts in place of an id."""

Form = Callable[[str], str]
"""Writes text as some file does, such as with the entities of HTML."""


def as_json(text: str) -> str:
    """Return a text as it stands between the quotes of a JSON string."""
    return json.dumps(text)[1:-1]


_IN_BYTES: dict[str, tuple[Form, ...]] = {"utf-8": (str, html.escape, as_json), "utf-32-le": (str,)}
"""How files hold text: as it is, escaped for HTML and JSON, and as NumPy does."""
_BYTE_BY_BYTE = "latin-1"
_OWN_FILES = (".py", ".sql", ".j2", ".css", ".js")


class Mentions:
    """The places that name one of some ids.

    Attributes:
        texts: the ids, which are text and long enough to mean one user wherever they stand.
    """

    def __init__(self, texts: Sequence[str], longer: Iterable[str] = ()) -> None:
        """Take the ids, and the known ids of others that hold one of them as a part."""
        self.texts = tuple(sorted(texts, key=len, reverse=True))
        self._around: dict[str, tuple[set[str], set[str]]] = {text: (set(), set()) for text in texts}
        for other in longer:
            for text, around in self._around.items():
                before, found, after = other.partition(text)
                if found and other not in self._around:
                    _add_neighbour(around, before, after)

    def __bool__(self) -> bool:
        """Return whether there is any id to look for."""
        return bool(self.texts)

    def in_text(self, text: str) -> bool:
        """Return whether a text names one of the ids."""
        return self.blank(text) != text

    def blank(self, text: str, forms: Sequence[Form] = (str,), instead: str = ANONYMOUS) -> str:
        """Return a text with `instead` in place of each id.

        Args:
            text: the text.
            forms: how ids are written there.
            instead: what to write.
        """
        for each in self.texts:
            if not any(form(each) in text for form in forms):
                continue
            for form in forms:
                text = re.sub(self._pattern(each, form, forms), lambda _: instead, text)
        return text

    def in_bytes(self, data: bytes | mmap.mmap) -> bool:
        """Return whether one of the ids stands among some bytes."""
        return any(data.find(needle) >= 0 and re.search(pattern, data) for needle, pattern in self.patterns)

    @cached_property
    def patterns(self) -> tuple[tuple[bytes, bytes], ...]:
        """Each id in each form as bytes, and the regular expression that tells it from a part of a longer id."""
        found = {
            form(text).encode(coding): self._pattern(text, form, forms, coding).encode(_BYTE_BY_BYTE)
            for text in self.texts
            for coding, forms in _IN_BYTES.items()
            for form in forms
        }
        return tuple(found.items())

    def _pattern(self, text: str, form: Form, forms: Sequence[Form], coding: str = "") -> str:
        """Return a regular expression for an id that is no part of a longer one.

        Args:
            text: the id.
            form: how it is written.
            forms: how what stands beside it may be written.
            coding: of bytes, which then stand in the expression as characters of the same numbers; empty for text.
        """

        def literals(*written: str) -> list[str]:
            coded = {each.encode(coding).decode(_BYTE_BY_BYTE) if coding else each for each in written}
            return [re.escape(each) for each in sorted(coded)]

        before, after = (
            literals(*(write(each) for each in around for write in forms)) for around in self._around[text]
        )
        behind = "".join(f"(?<!{each})" for each in before)
        ahead = f"(?!{'|'.join(after)})" if after else ""
        return f"{behind}{literals(form(text))[0]}{ahead}"


def _add_neighbour(around: tuple[set[str], set[str]], before: str, after: str) -> None:
    """Note what stands beside an id within a longer one.

    One letter or digit is enough to tell them apart, and there are few of these; of a mark such as a dash or a dot,
    which may as well follow the id itself, the whole rest of the longer id counts.
    """
    if after:
        around[1].add(after[0] if after[0].isalnum() else after)
    elif before:
        around[0].add(before[-1] if before[-1].isalnum() else before)


def is_own_word(text: str) -> bool:
    """Return whether an id is a plain word that stands in the product's code, SQL or page templates.

    A user called `champion` would be found in every record and page, and taking the word out would break them.
    """
    return text.isascii() and text.replace("_", "").isalpha() and text in _own_texts()


@cache
def _own_texts() -> str:
    files = (path for folder in (Path(__file__).resolve().parents[1], SQL) for path in folder.rglob("*.*"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.suffix in _OWN_FILES)
