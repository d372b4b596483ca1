"""Parse a page with the standard library and check that it is well-formed HTML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

_OTHER_NIGHT = re.compile(r"next\.html|\.\./index\.html|\.\./\d+/report\.html")
VOID = {"meta", "input", "br", "hr", "img", "link"}


class ReadPage(HTMLParser):
    """Tags, texts and the JSON of a page; a tag that is not closed where it should be is an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.code: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "every tag is closed"

    @property
    def text(self) -> str:
        """The visible text, with single spaces."""
        return " ".join(" ".join(self.words).split())

    @property
    def sections(self) -> list[str]:
        """The ids of the sections, in order."""
        return [about["id"] or "" for tag, about in self.tags if tag == "section"]

    @property
    def maps(self) -> list[list[list[list[str]]]]:
        """The points of every map: (title, about) by layer."""
        return [json.loads(code) for code in self.code if code.startswith("[")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.code.append(data)
        elif "style" not in self.open:
            self.words.append(data)


def needs_nothing_else(page: ReadPage, text: str) -> bool:
    """Return whether the page needs no other file: no address, no import, and links to its own sections and nights."""
    links = [about[name] for _, about in page.tags for name in ("src", "href", "xlink:href") if name in about]
    outside = ("://", "@import", "url(", "//cdn", "fetch(")
    own = all((link or "").startswith("#") or _OTHER_NIGHT.fullmatch(link or "") for link in links)
    return own and not any(word in text for word in outside)
