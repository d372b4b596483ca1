"""Find the ids of others that hold an id of the subject as a part, such as `user-10` for `user-1`.

Their rows stay, so the search for what is left must not take them for the subject's. Users of the warehouse and of the
lists of kept runs count; users of neither, such as those of a tracker's copies of older nights, do not.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tasks.forgetting.subject import Subject
from tasks.publication.targets import schema
from tasks.publication.targets.base import Target
from tasks.storage.home import Home
from tasks.storage.warehouse import open_warehouse, run_file

_USER_COLUMNS = ("user_id", "friend_id")


def longer_ids(home: Home, target: Target | None, subject: Subject) -> frozenset[str]:
    """Return the ids of other users that hold one of the subject's ids as a part.

    Args:
        home: the home, whose warehouse is asked.
        target: the serving database; None if there are no lists yet.
        subject: whom to forget.
    """
    texts = subject.texts
    if not texts:
        return frozenset()
    found = {value.strip() for value in (*_in_warehouse(home.warehouse), *_in_lists(target, texts))}
    return frozenset(value for value in found if value not in texts and any(text in value for text in texts))


def _in_warehouse(path: Path) -> list[str]:
    if not path.exists():
        return []
    with open_warehouse(path) as con:
        values = run_file(con, "warehouse/forget/id_texts.sql").fetchall()
    return [value for _, column, value in values if column in _USER_COLUMNS]


def _in_lists(target: Target | None, texts: tuple[str, ...]) -> list[str]:
    """Return the users of all kept runs whose ids hold one of the texts."""
    if target is None:
        return []
    found: list[str] = []
    with target.read() as con:
        for run in con.scalars(sa.select(schema.published_runs.c.run_id)).all():
            user = schema.run_table("recommendations", run, target.ids).c.user_id
            alike = sa.or_(*(user.contains(text, autoescape=True) for text in texts))
            found += con.scalars(sa.select(user).distinct().where(alike))
    return found
