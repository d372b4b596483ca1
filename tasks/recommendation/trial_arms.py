"""The arms of a trial: which users get the challenger's lists, drawn by a salted hash of their ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VARIANT = "variant"
"""The column of `recommendations` that names the arm of a user; null without a trial."""

CONTROL, TRIAL = VARIANTS = ("control", "trial")
"""Its values."""


@dataclass(frozen=True)
class Arms:
    """How the users of a trial are drawn.

    Attributes:
        share: expected share of the users in the trial, above 0 and below 1.
        salt: text that goes into the hash before the id; another salt draws others.
    """

    share: float
    salt: str

    def in_trial(self, ids: Iterable[int | str]) -> NDArray[np.bool_]:
        """Return which users get the challenger's lists, (n_ids,).

        A user is in the trial if the first 8 bytes of SHA-256 of `<salt>:<id>`, as a big-endian number, are below
        `share` × 2^64. This depends on nothing else, so that a user stays in the same arm every night; with a greater
        share nobody leaves the trial.
        """
        limit = int(self.share * 2**64)
        numbers = (hashlib.sha256(f"{self.salt}:{each}".encode()).digest()[:8] for each in ids)
        return np.fromiter((int.from_bytes(number) < limit for number in numbers), np.bool_)


def salt_of(home_id: str, model: str) -> str:
    """Return the salt of a home's trial of a model: other homes, and trials of other models, draw other users."""
    return f"{home_id}:{model}"
