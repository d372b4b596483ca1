"""What PostgreSQL's errors mean to an operator. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

from __future__ import annotations

import re

import psycopg

from tasks.errors import NightError, TransientError, UsageError

_STAY = "The live lists are untouched."

_EXPLANATIONS: tuple[tuple[tuple[str, ...], type[NightError], str, str], ...] = (
    (
        ("53100",),
        NightError,
        "The disk of {place} is full.",
        f"Free some space there, or lower publish.keep_runs, then run again. {_STAY}",
    ),
    (
        ("53300",),
        TransientError,
        "{place} has no connection left to give.",
        "End some of its sessions or raise max_connections, then run again.",
    ),
    (("53",), NightError, "{place} ran out of resources: {said}.", f"Mend it there, then run again. {_STAY}"),
    (
        ("28",),
        NightError,
        "{place} refuses the user or the password: {said}.",
        "Mend RECS_PUBLISH__URL, or the server's pg_hba.conf.",
    ),
    (
        ("3D000",),
        NightError,
        "{place} does not exist: {said}.",
        "Make it (createdb), or mend RECS_PUBLISH__URL.",
    ),
    (
        ("3F000",),
        NightError,
        "A schema is missing in {place}: {said}.",
        "Look at the search_path in RECS_PUBLISH__URL.",
    ),
    (
        ("42501",),
        NightError,
        "A right is missing in {place}: {said}.",
        f"docs/serving.md lists what who publishes and who reads needs; recs connects as who publishes. {_STAY}",
    ),
    (
        ("25006",),
        NightError,
        "{place} is read-only.",
        "Is it a standby? Publish to the primary: RECS_PUBLISH__URL.",
    ),
    (
        ("23",),
        NightError,
        "What is to be published breaks a rule of {place}: {said}.",
        f"This should not happen: `recs --debug run` shows where. {_STAY}",
    ),
    (("57014",), TransientError, "{place} ended a statement: {said}.", "Run again."),
    (
        ("55P03",),
        TransientError,
        "Somebody's transaction in {place} has been in the way for too long.",
        "pg_stat_activity shows who has one open; end it, then run again.",
    ),
    (
        ("55000",),
        TransientError,
        "{place} is not ready for that: {said}.",
        "Run again; what a killed night left is removed first.",
    ),
    (("40",), TransientError, "Another transaction in {place} was in the way.", "Run again."),
    (
        ("57P", "08"),
        TransientError,
        "{place} closed the connection: {said}.",
        f"Run again when the server is up: the night goes on where it stopped. {_STAY}",
    ),
    (
        ("58", "XX001", "XX002"),
        NightError,
        "{place} reports a fault of its disk or its files: {said}.",
        f"Look at the server's log. {_STAY}",
    ),
)


_SAID = (
    (
        r"password authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not exist",
        "28000",
    ),
    (r"database .* does not exist", "3D000"),
    (r"too many clients|connection slots", "53300"),
)
"""What servers say when they refuse a connection: psycopg gives no code then."""


def explanation(error: psycopg.Error, place: str) -> NightError | None:
    """The clear sentence behind an error; None where it is a bug of ours."""
    said = (error.diag.message_primary or str(error).partition("\n")[0]).strip().rstrip(".")
    refused = (code for words, code in _SAID if re.search(words, said))
    state = error.sqlstate or next(refused, "")
    for codes, kind, sentence, hint in _EXPLANATIONS:
        if state.startswith(codes):
            return kind(sentence.format(place=place, said=said), hint)
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:  # from this side of the wire
        return TransientError(
            f"{place} cannot be reached, or has closed the connection: {said}.",
            f"Check that the server runs and that RECS_PUBLISH__URL is right, then run again. {_STAY}",
        )
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None and "connection option" in said:
        return UsageError(
            "The publication address has a part that PostgreSQL does not know.", f"It says: {said}."
        )
    return None
