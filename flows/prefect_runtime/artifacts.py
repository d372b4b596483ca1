"""A night in Prefect's UI beside its tasks: the verdict as text, its metrics and checks as tables, and its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from tasks.artifacts import CheckResult
from tasks.notification.tell import page_address
from tasks.reporting.run_report import read_report
from tasks.run.context import Night
from tasks.storage.home import Home
from tasks.storage.run_records import ENDINGS, Run, Status

PROJECT_TAG = "nightly-recs"


def run_name(dataset: str, run_id: int) -> str:
    """Return the name of a flow run, such as `demo-20261128T0200`; `run_id` is its start as yyyymmddhhmmss."""
    start = str(run_id)
    return f"{dataset}-{start[:8]}T{start[8:12]}"


def show_in_prefect(night: Night, error: Exception | None) -> None:
    """Write the night's verdict, metrics and checks as artifacts, and name and tag its flow run.

    Args:
        night: whose stages have ended.
        error: that ended them; None if there was none.
    """
    run, status = night.record, _status(night, error)
    name_flow_run(night.home, run, (ENDINGS[status],))
    page = page_address(night.home, night.settings, run)
    reason = night.reason if error is None else str(error)
    text = verdict_text(run, status, reason, page=page, failed_stage=night.failed_stage)
    create_markdown_artifact(text, key="verdict", description=f"{ENDINGS[status]}: run {run.run_id}")
    if run.summary.checks:
        create_table_artifact(table=[asdict(result) for result in run.summary.checks], key="checks")
    if error is None:
        metrics = read_report(night.home, run.run_id).metrics
        create_table_artifact(table=[asdict(row) for row in metrics], key="metrics")


def name_flow_run(home: Home, run: Run, tags: Sequence[str] = ()) -> None:
    """Name the flow run of this context after a night, and add tags: the project, the data set, the run and `tags`."""
    if flow_run.id is None:
        return
    known = [*(flow_run.tags or ()), PROJECT_TAG, home.dataset, str(run.run_id), *tags]
    with get_client(sync_client=True) as client:
        client.update_flow_run(
            flow_run.id, name=run_name(home.dataset, run.run_id), tags=list(dict.fromkeys(known))
        )


def verdict_text(run: Run, status: Status, reason: str, *, page: str, failed_stage: str) -> str:
    """Return the verdict on a night as Markdown.

    Args:
        run: its record.
        status: how it ended.
        reason: why.
        page: the address of its page.
        failed_stage: the stage that failed; empty if none did.
    """
    lines = [f"# {ENDINGS[status]}: {run.dataset}, run {run.run_id}", "", _plain(reason), ""]
    if failed_stage and status == "failed":
        lines.append(f"- **Failed stage:** `{failed_stage}`")
    if run.champion:
        why = run.summary.decision.why if run.summary.decision is not None else ""
        lines.append(f"- **Champion:** `{run.champion}`{f' ({_plain(why)})' if why else ''}")
    lines += [f"- **Left out:** `{model}`: {_plain(error)}" for model, error in run.failed_models.items()]
    if not run.switched and run.still_live not in reason:
        lines.append(f"- **Live lists:** {run.still_live}")
    lines.append(f"- **Page:** [{page}]({page})")
    return "\n".join([*lines, "", *_checks(run.summary.checks)])


def _checks(checks: Sequence[CheckResult]) -> list[str]:
    """Return the failed checks as a table, and the number of those that passed."""
    failed = [each for each in checks if not each.passed]
    if not checks:
        return ["No check has run."]
    if not failed:
        return [f"All {len(checks)} checks passed."]
    rows = [f"| `{each.check}` | {_number(each.value)} | {_number(each.limit)} |" for each in failed]
    return [
        f"{len(failed)} of {len(checks)} checks failed:",
        "",
        "| check | value | limit |",
        "|---|---|---|",
        *rows,
    ]


def _status(night: Night, error: Exception | None) -> Status:
    if error is None:
        return night.verdict
    return "published" if night.record.switched else "failed"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _plain(text: str) -> str:
    """Return text in one line, with the characters escaped that Markdown or HTML would read."""
    line = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in line)
