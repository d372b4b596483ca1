"""One line of `recs doctor`: what was examined, what was seen, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.errors import NightError, in_words

Verdict = Literal["OK", "look", "bad"]


@dataclass(frozen=True)
class Finding:
    """The result of one examination.

    Attributes:
        name: what was examined.
        verdict: `bad` if a night would fail or do wrong, `look` if somebody should, else `OK`.
        seen: what was seen.
        advice: what to do; empty if nothing.
    """

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""


Examination = Callable[[], Finding]


def examine_all(examinations: Sequence[tuple[str, Examination]]) -> list[Finding]:
    """Return the finding of every examination; one that raises an error is `bad`, and the others go on.

    Args:
        examinations: names and functions.
    """
    return [_examine(name, examination) for name, examination in examinations]


def _examine(name: str, examination: Examination) -> Finding:
    try:
        return examination()
    except NightError as error:
        return Finding(name, "bad", str(error), error.hint)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what a night would meet
        return Finding(name, "bad", in_words(error), "A night may meet the same error.")


def size(n_bytes: float) -> str:
    """Return a number of bytes in words."""
    return f"{n_bytes / 2**30:,.1f} GB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:,.0f} MB"
