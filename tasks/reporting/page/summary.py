"""The head of a page: the outcome of the night in a sentence and a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.reporting.page.contents import Page
from tasks.reporting.page.formats import duration, figure, sentence
from tasks.storage.run_records import Run


@dataclass(frozen=True)
class Tile:
    """One important number: its label, its value, and a note to compare it with."""

    label: str
    value: str
    note: str
    bad: bool = False


def verdict(run: Run, n_users: int | None) -> str:
    """Return the outcome of the night in one sentence for its operator."""
    readers = "everybody" if n_users is None else f"{n_users:,} users"
    sentences = {
        "published": f"New lists for {readers} are live, made by {run.champion}.",
        "not_switched": f"New lists were made and are not live. {run.still_live}",
        "check_failed": f"A check held the new lists back. {run.still_live}",
        "failed": f"The night failed. {run.still_live}",
        "interrupted": f"The night was interrupted. {run.still_live}",
        "running": "This night has not ended yet.",
    }
    return sentences[run.status]


def what_happened(run: Run) -> str:
    """Return why a night did not publish, or what went wrong after it did; empty where all is well."""
    return "" if run.status == "published" and not run.after_switch else sentence(run.reason)


def why_champion(run: Run) -> str:
    """Return the reason for the champion, from the night's record."""
    return "" if run.summary.decision is None else sentence(run.summary.decision.why)


def protocol(run: Run) -> str:
    """Return how the figures were measured."""
    confidence = run.settings.get("judge", {}).get("confidence")
    intervals = f" Intervals: bootstrap over users, {confidence:.0%}." if confidence else ""
    measured = (
        f"{sentence(run.summary.split_why)} All items that the training part knows are ranked, seen ones left out; "
        "short lists are completed as published. The champion is chosen on one half of the held-out users; these "
        f"figures are of the other half.{intervals}"
    )
    return measured.lstrip()


def tiles(page: Page) -> list[Tile]:
    """Return the numbers below the verdict; those that the night did not reach are left out."""
    found = [_champion(page), _lists(page), _checks(page), _intake(page.run), _kept(page), _time(page.run)]
    return [tile for tile in found if tile is not None]


def _champion(page: Page) -> Tile | None:
    rows = {row.model: row for row in page.metrics[0].rows} if page.metrics else {}
    mine, popular = rows.get(page.run.champion or ""), rows.get("popularity")
    if mine is None:
        return None
    note = f"popularity {figure(popular.value)}" if popular is not None and popular is not mine else ""
    return Tile(f"{page.metrics[0].name} of {mine.model}", figure(mine.value), note)


def _lists(page: Page) -> Tile | None:
    if page.n_users is None:
        return None
    known = "" if page.n_items is None else f"{page.n_items:,} items known"
    return Tile("Users with a list", f"{page.n_users:,}", known)


def _checks(page: Page) -> Tile | None:
    if not page.checks:
        return None
    failed = [check.name for check in page.checks if not check.passed]
    passed = f"{len(page.checks) - len(failed)} of {len(page.checks)}"
    return Tile("Checks passed", passed, ", ".join(failed) or "all of them", bad=bool(failed))


def _intake(run: Run) -> Tile | None:
    rows = run.summary.intake
    if not rows:
        return None
    rejected = sum(row.quarantined for row in rows)
    return Tile("Clean rows", f"{sum(row.clean for row in rows):,}", f"{rejected:,} rejected")


def _kept(page: Page) -> Tile | None:
    if page.churn is None:
        return None
    return Tile(
        "Of the lists before", f"{page.churn.kept.share:.0%}", f"kept, of the best {page.churn.kept.top}"
    )


def _time(run: Run) -> Tile:
    inside = sum(stage.seconds for stage in run.stages)
    drawn_by_night = all(stage.stage != "report" for stage in run.stages)  # and so it is not over
    until = "until this page was written; " if drawn_by_night else ""
    peak = max((stage.peak_mb for stage in run.stages), default=0)
    wall = inside if run.finished_at is None else (run.finished_at - run.started_at).total_seconds()
    return Tile("Took", duration(wall), f"{until}{duration(inside)} in its stages, {peak:,.0f} MB at most")
