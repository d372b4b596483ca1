"""The budgets of a night at the size of ml-25m on two cores, and the verdict on each. Pure functions of the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Figures = Mapping[str, float]
Verdict = Literal["kept", "missed", "not judged", "not measured"]


@dataclass(frozen=True)
class Budget:
    """One promise.

    Attributes:
        what: it is about, as a table row says it.
        step: the measurement that shows it, a name of `suite.STEPS`.
        figure: the figure to compare, from those of that measurement.
        limit: its largest value; the least one if `at_least`.
        unit: of both, written after the number.
        at_least: more is better.
        full_size: holds at full size only, so that a smaller run shows the figure without a verdict.
    """

    what: str
    step: str
    figure: str
    limit: float
    unit: str = "s"
    at_least: bool = False
    full_size: bool = True

    @property
    def rule(self) -> str:
        """The limit in words."""
        return f"at {'least' if self.at_least else 'most'} {number(self.limit, self.unit)}"


PER_S = "with_keys_per_s"
BUDGETS = (
    Budget("generate ratings and tags", "generation", "total_s", 120),
    Budget("landing and cleaning, by the bare count of the same files", "landing", "ratio", 5, "×", full_size=False),
    Budget("splits, matrices and held-out interactions", "night", "utility_s", 60),
    Budget("top 100 of factor models, by the bare product", "topn", "factor_ratio", 1.6, "×", full_size=False),
    Budget("top 100 of item-item models, by the bare product", "topn", "item_item_ratio", 1.6, "×", full_size=False),
    Budget("lists of a blend, by the sum of its members' own", "topn", "blend_ratio", 1.3, "×", full_size=False),
    Budget("similar items of all items", "topn", "similar_s", 60),
    Budget("publication to PostgreSQL, with keys", "publication_postgresql", PER_S, 560_000, "rows/s", at_least=True),
    Budget("publication to SQLite, with keys", "publication_sqlite", PER_S, 483_000, "rows/s", at_least=True),
    Budget("night with popularity, item_knn, als", "night", "total_s", 480),
    Budget("peak memory of that night", "night", "peak_mb", 8192, "MB", full_size=False),
    Budget("night with the nightly shelf and blend", "night_shelf", "total_s", 2700),
    Budget("peak memory of the night with the shelf", "night_shelf", "peak_mb", 8192, "MB", full_size=False),
    Budget("fit lightgcn on 18 million likes", "fit_lightgcn", "fit_s", 480),
    Budget("fit bpr on 18 million likes", "fit_bpr", "fit_s", 480),
    Budget("fit mf on the same ratings", "fit_mf", "fit_s", 480),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A budget, what was measured, and the verdict; `measured` is None if the figure is missing, `why` says why."""

    budget: Budget
    measured: float | None
    verdict: Verdict
    why: str = ""


def judged(measurements: Mapping[str, Any], *, is_full: bool) -> list[Line]:
    """Return a line for each budget.

    Args:
        measurements: step → an object with `figures` and `error`, as in the JSON.
        is_full: the run had the full size.
    """
    return [_line(budget, measurements.get(budget.step), is_full=is_full) for budget in BUDGETS]


def _line(budget: Budget, measurement: Any, *, is_full: bool) -> Line:
    if measurement is None:
        return Line(budget, None, "not measured", "not part of this run")
    value = measurement["figures"].get(budget.figure)
    if value is None:
        return Line(
            budget, None, "not measured", measurement["error"] or f"no {budget.figure} in its last line"
        )
    if budget.full_size and not is_full:
        return Line(budget, value, "not judged", "a smaller size")
    kept = value >= budget.limit if budget.at_least else value <= budget.limit
    return Line(budget, value, "kept" if kept else "missed")


def number(value: float, unit: str) -> str:
    """Return a figure as a table shows it: ratios with two decimals, seconds with one below 100, others whole."""
    show: Callable[[float], str] = {"×": lambda v: f"{v:.2f}".rstrip("0").rstrip(".")}.get(
        unit, lambda v: f"{v:,.1f}".removesuffix(".0") if v < 100 else f"{v:,.0f}"
    )
    return f"{show(value)} {unit}"
