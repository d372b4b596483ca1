"""Explanations of PostgreSQL's errors. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

from __future__ import annotations

import re

import psycopg

from tasks.errors import NightError, TransientError, UsageError

_STAY = "The live lists are untouched."

# Prefixes of SQLSTATE codes, error class, message and hint; the first match counts.
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
        "{place} accepts no more connections.",
        "End some of its sessions or raise max_connections, then run again.",
    ),
    (
        ("53",),
        NightError,
        "{place} ran out of resources: {message}.",
        f"Free resources there, then run again. {_STAY}",
    ),
    (
        ("28",),
        NightError,
        "{place} refuses the user or the password: {message}.",
        "Correct RECS_PUBLISH__URL, or the server's pg_hba.conf.",
    ),
    (
        ("3D000",),
        NightError,
        "{place} does not exist: {message}.",
        "Create it (createdb), or correct RECS_PUBLISH__URL.",
    ),
    (
        ("3F000",),
        NightError,
        "A schema is missing in {place}: {message}.",
        "Look at the search_path in RECS_PUBLISH__URL.",
    ),
    (
        ("42501",),
        NightError,
        "A right is missing in {place}: {message}.",
        f"docs/serving.md lists the rights of the publishing role and of readers; recs needs the former. {_STAY}",
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
        "The lists break a constraint of {place}: {message}.",
        f"This should not happen: the same command with --debug right after recs shows where. {_STAY}",
    ),
    (("57014",), TransientError, "{place} cancelled a statement: {message}.", "Run again."),
    (
        ("55P03",),
        TransientError,
        "Another transaction in {place} has been in the way for too long.",
        "pg_stat_activity shows open transactions; end it, then run again.",
    ),
    (
        ("55000",),
        TransientError,
        "{place} is not ready for that: {message}.",
        "Run again; leftovers of a killed night are removed first.",
    ),
    (("40",), TransientError, "Another transaction in {place} was in the way.", "Run again."),
    (
        ("57P", "08"),
        TransientError,
        "{place} closed the connection: {message}.",
        f"Run again when the server is up: the night goes on where it stopped. {_STAY}",
    ),
    (
        ("58", "XX001", "XX002"),
        NightError,
        "{place} reports a fault of its disk or its files: {message}.",
        f"Look at the server's log. {_STAY}",
    ),
)

# Messages of refused connections and their codes: psycopg passes no code then.
_REFUSALS = (
    (
        r"password authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not exist",
        "28000",
    ),
    (r"database .* does not exist", "3D000"),
    (r"too many clients|connection slots", "53300"),
)


def explanation(error: psycopg.Error, place: str) -> NightError | None:
    """Return a readable error for an error of psycopg; None if the error is a bug of ours."""
    message = (error.diag.message_primary or str(error).partition("\n")[0]).strip().rstrip(".")
    refusals = (code for pattern, code in _REFUSALS if re.search(pattern, message))
    state = error.sqlstate or next(refusals, "")
    for codes, kind, sentence, hint in _EXPLANATIONS:
        if state.startswith(codes):
            return kind(sentence.format(place=place, message=message), hint)
    if (
        isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    ):  # raised by libpq, not by the server
        return TransientError(
            f"{place} cannot be reached, or has closed the connection: {message}.",
            f"Check that the server runs and that RECS_PUBLISH__URL is right, then run again. {_STAY}",
        )
    if (
        isinstance(error, psycopg.ProgrammingError)
        and error.sqlstate is None
        and "connection option" in message
    ):
        return UsageError(
            "The publication address has a part that PostgreSQL does not know.", f"It says: {message}."
        )
    return None
