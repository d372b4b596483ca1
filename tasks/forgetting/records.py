"""Remove users from the records and pages of nights, also from copies that trackers keep in the home.

A page shows some users: as samples with their lists, and as dots on the map of users. Both are cut out of the page;
its charts and figures are of all users and stay.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jinja2.filters import FILTERS
from jinja2.utils import htmlsafe_json_dumps

from tasks.forgetting.mentions import ANONYMOUS, Mentions
from tasks.forgetting.subject import Subject
from tasks.publication.targets.base import PublishedRun
from tasks.storage.artifact_store import write_json, write_text
from tasks.storage.health import HEALTH, changing_health

RECORD, PAGE = "run.json", "report.html"
_escape = FILTERS["escape"]
"""Writes text as the pages' templates do."""
_ON_PAGES = (str, lambda text: str(_escape(text)), lambda text: str(htmlsafe_json_dumps(text))[1:-1])


def clean_records(home: Path, subject: Subject, published: tuple[PublishedRun, ...]) -> int:
    """Remove the subject from all records and pages below a home; return how many files were written anew.

    Args:
        home: the home's folder.
        subject: whom and what to remove.
        published: the runs in the serving database, whose numbers of rows the records take over.
    """
    rows = {str(run.run_id): run.rows for run in published}
    written = 0
    for path in sorted(home.glob(f"**/{RECORD}")):
        written += _clean_record(path, subject, rows.get(path.parent.name))
    for path in sorted(home.glob(f"**/{PAGE}")):
        page = path.read_text(encoding="utf-8")
        cleaned = without_users(page, subject)
        if cleaned != page:
            write_text(path, cleaned)
            written += 1
    return written + _clean_messages(home, subject)


def _clean_messages(home: Path, subject: Subject) -> bool:
    """Remove the subject's texts from the messages that have not arrived yet."""
    if not (home / HEALTH).exists():
        return False
    with changing_health(home) as health:
        before = [(each.title, each.text) for each in health.untold]
        for each in health.untold:
            each.title, each.text = map(subject.mentions.blank, (each.title, each.text))
        return before != [(each.title, each.text) for each in health.untold]


def remove_partial_files(home: Path) -> None:
    """Remove the files that killed writers have left below a home; its lock is held, so nobody writes now."""
    for pattern in (".*.partial", "runs/*/*.partial"):
        for partial in home.rglob(pattern) if pattern.startswith(".") else home.glob(pattern):
            if partial.is_file():
                partial.unlink()


def shows_in_record(path: Path, subject: Subject) -> bool:
    """Return whether a run record names the subject."""
    about = _read(path)
    return about is not None and _without(about, subject) != about


def _clean_record(path: Path, subject: Subject, rows: int | None) -> bool:
    about = _read(path)
    if about is None:
        return False
    cleaned = _without(about, subject)
    if rows is not None and cleaned.get("rows") is not None:
        cleaned = {**cleaned, "rows": rows}
    if cleaned == about:
        return False
    write_json(path, cleaned)
    return True


def _read(path: Path) -> dict[str, Any] | None:
    """Return a record; None if it is damaged, or not one of ours."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return about if isinstance(about, dict) and "summary" in about else None


def _without(about: dict[str, Any], subject: Subject) -> dict[str, Any]:
    summary = about["summary"]
    if isinstance(summary, dict) and summary.get("example_user") in subject.users:
        about = {**about, "summary": {**summary, "example_user": None}}
    return {name: _blanked(value, subject.mentions) for name, value in about.items()}


def _blanked(value: Any, mentions: Mentions) -> Any:
    """Return a value of JSON with the ids taken out of all text but the names of fields."""
    if isinstance(value, str):
        return mentions.blank(value)
    if isinstance(value, list):
        return [_blanked(each, mentions) for each in value]
    if isinstance(value, dict):
        return {name: _blanked(each, mentions) for name, each in value.items()}
    return value


def without_users(page: str, subject: Subject) -> str:
    """Return a page without the samples of the subject's users, and with nameless dots for them on the map."""
    for user in subject.users:
        for marker in _sample_markers(user):
            place = page.find(marker)
            while place >= 0:
                start = page.rfind('<details class="user"', 0, place)
                page = page[:start] + page[_end_of_details(page, start) :]
                place = page.find(marker)
        dot = re.escape(_dot_marker(user))
        page = re.sub(dot + r'"(?:[^"\\]|\\.)*"\]', f'["{ANONYMOUS}",""]', page)
    return subject.mentions.blank(page, _ON_PAGES)


def _end_of_details(page: str, start: int) -> int:
    """Return where the `details` that begins at `start` ends; it may hold others."""
    depth = 0
    for tag in re.compile(r"<details\b|</details>").finditer(page, start):
        depth += -1 if tag[0].startswith("</") else 1
        if depth == 0:
            return tag.end()
    return len(page)


def shows_in_page(page: str, subject: Subject) -> bool:
    """Return whether a page shows a user of the subject."""
    return without_users(page, subject) != page


def _sample_markers(user: int | str) -> tuple[str, ...]:
    return (f"<summary><strong>User {_escape(str(user))}</strong>",)


def _dot_marker(user: int | str) -> str:
    """The beginning of a dot of the map, as macros of the page write it: `["User 42",`."""
    return f"[{htmlsafe_json_dumps(f'User {user}')},"
