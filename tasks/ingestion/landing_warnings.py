"""Warn of what a landing found: files read by what they hold, columns that nothing reads, increments left behind."""

from __future__ import annotations

import logging
from pathlib import Path

from tasks.artifacts import Deliveries, LeftFile
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tasks.ingestion.landing_plan import Plan

log = logging.getLogger(__name__)

_MAX_NAMED = 10


def refuse_many_set_aside(folder: Path, plan: Plan, settings: DataSettings) -> None:
    """Raise NightError if more than one increment, and more than `data.max_set_aside_share` of all, cannot be read."""
    n_aside = len(plan.set_aside)
    n_all = n_aside + sum(content.file.kind == "increment" for content in plan.live)
    if n_aside <= max(1, settings.max_set_aside_share * n_all):
        return
    raise NightError(
        f"{n_aside:,} of {n_all:,} increments in {folder / settings.incoming} cannot be read, more than the "
        f"{settings.max_set_aside_share:.0%} that data.max_set_aside_share allows: {_named(plan.set_aside)}.",
        "Deliver them again, or take them away.",
    )


def warn_of_left_files(folder: Path, deliveries: Deliveries) -> None:
    """Warn of the increments that wait or are set aside."""
    if deliveries.waiting:
        log.warning("%s, left for the next night: %s.", folder, _named(deliveries.waiting))
    if deliveries.set_aside:
        log.warning(
            "%s, set aside: %s. The night goes on without %s; deliver again or take away.",
            folder, _named(deliveries.set_aside), "it" if len(deliveries.set_aside) == 1 else "them",
        )  # fmt: skip


def warn_of_new_columns(new_columns: list[tuple[str, list[str]]]) -> None:
    """Warn of the columns of increments that no earlier file of their source had: nothing reads them.

    Args:
        new_columns: a path and its new columns; one path for each set of columns.
    """
    for path, columns in new_columns:
        names = ", ".join(map(repr, columns))
        log.warning(
            "%s has %s that no earlier file of its source had: %s. Nothing reads %s.",
            path, "a column" if len(columns) == 1 else "columns", names, "it" if len(columns) == 1 else "them",
        )  # fmt: skip


def warn_of_readings(found: dict[str, list[Path]]) -> None:
    """Warn of files that are not read as their names and the settings say, by how they are read."""
    for how, paths in found.items():
        if how:
            more = f" and {len(paths) - 1:,} more are read by what they hold" if len(paths) > 1 else ""
            log.warning("%s%s: %s.", paths[0], more or " is read by what it holds", how)


def _named(left: tuple[LeftFile, ...]) -> str:
    named = "; ".join(f"{each.path} ({each.why.rstrip('.')})" for each in left[:_MAX_NAMED])
    return named + (f"; and {len(left) - _MAX_NAMED:,} more" if len(left) > _MAX_NAMED else "")
