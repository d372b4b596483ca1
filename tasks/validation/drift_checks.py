"""The checks that hold lists back when the input has shifted; off unless `[check]` sets a limit (docs/drift.md)."""

from __future__ import annotations

from collections.abc import Callable

from tasks.monitoring.drift_figures import DISTRIBUTIONS, Distribution
from tasks.validation.check_entry import Check
from tasks.validation.night_figures import CheckedNight


def _shift_of(measure: Distribution) -> Callable[[CheckedNight], float | None]:
    """Return the function that returns the population-stability index of a distribution; None if it has none."""

    def value(night: CheckedNight) -> float | None:
        drift = night.run.summary.drift
        found = None if drift is None else drift.get(measure)
        return None if found is None else found.value

    return value


def _check(measure: Distribution, words: str) -> Check:
    setting = f"max_drift_{measure}"
    return Check(
        name=f"drift_{measure}",
        meaning=f"population-stability index of {words} against the last nights",
        value=_shift_of(measure),
        setting=setting,
        of_setting=lambda limit: limit or None,
        advice="Are scale, sources and period of the input the usual ones? Section Drift of the page shows what moved. "
        f"If the change is right, let it pass once: add --set check.{setting}=0 to the command.",
        note="null on a first night and with too few values",
    )


DRIFT_CHECKS = tuple(_check(measure, words) for measure, words in DISTRIBUTIONS.items())
"""One for each distribution."""
