"""The metrics of the newest night as a Prometheus text file, for the textfile collector of node_exporter.

Names and units follow Prometheus' conventions: base units, a unit as suffix, `_total` for counters alone. Every metric
has the labels `home` and `dataset`, so that the files of several homes can lie in one folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import write_to_textfile
from prometheus_client.registry import Collector

from tasks.errors import UsageError
from tasks.evaluation.metric_rows import read_metrics
from tasks.reporting.page.metric_panels import champion_metric
from tasks.reporting.run_artifacts import find_lists
from tasks.storage.health import last_good, read_health, utc_now
from tasks.storage.home import Home
from tasks.storage.run_records import ENDINGS, Run, Runs

_DAY, _MB = 86_400.0, 2.0**20
Labelled = Iterable[tuple[Mapping[str, str], float | None]]


def write_metrics_file(path: Path, home: Home, run: Run | None) -> None:
    """Replace the metrics file at once: a collector sees the old one or the new one.

    Args:
        path: of the file; ends in `.prom`.
        home: of the night.
        run: the record of the newest night, closed unless it was killed; None if no night has begun yet.

    Raises:
        UsageError: its folder does not exist.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"The folder {path.parent} does not exist.", "Make it, or correct monitoring.metrics_file."
        )
    registry = CollectorRegistry()
    registry.register(NightCollector(home, run))
    write_to_textfile(str(path), registry)


class NightCollector(Collector):
    """The metrics of one night, and of its home's earlier ones where they count."""

    def __init__(self, home: Home, run: Run | None) -> None:
        self._home, self._run = home, run
        self._labels = {"home": str(home.path.resolve()), "dataset": home.dataset}

    def collect(self) -> Iterable[Metric]:
        """Yield every metric that the night has a value for."""
        yield from self._health()
        if self._run is not None:
            yield from self._outcome(self._run)
            yield from self._work(self._run)
            yield from self._results(self._run)

    def _health(self) -> Iterable[Metric]:
        health, now = read_health(self._home), utc_now()
        untold = [each for each in health.untold if not each.is_being_sent(now)]
        yield self._gauge(
            "recs_last_good_timestamp_seconds",
            "End of the newest good night: published, or nothing new.",
            [({}, _timestamp(last_good(self._home)))],
        )
        yield self._gauge(
            "recs_last_night_good",
            "Whether the newest night was good (1), or could not begin, did not end well or is overdue (0). "
            "A night that was not switched to leaves it as it was.",
            [({}, float(not health.bad))],
        )
        yield self._gauge("recs_messages_untold", "Messages that could not be sent yet.", [({}, len(untold))])

    def _outcome(self, run: Run) -> Iterable[Metric]:
        runs = Runs(self._home.runs).all()
        yield self._gauge(
            "recs_last_run_status",
            "Whether the newest night ended so (1) or not (0).",
            [({"status": status}, float(run.status == status)) for status in ENDINGS],
        )
        moments = {
            "recs_last_run_start_timestamp_seconds": ("Start of the newest night.", run.started_at),
            "recs_last_run_end_timestamp_seconds": ("End of the newest night.", run.finished_at),
            "recs_last_run_data_end_timestamp_seconds": (
                "End of the data of the newest night: just after its newest interaction.",
                run.data_until,
            ),
            "recs_last_success_timestamp_seconds": (
                "End of the newest night whose lists were published.",
                max(
                    (one.finished_at for one in runs if one.status == "published" and one.finished_at),
                    default=None,
                ),
            ),
        }
        for name, (about, moment) in moments.items():
            yield self._gauge(name, about, [({}, _timestamp(moment))])
        seconds = None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds()
        yield self._gauge("recs_last_run_duration_seconds", "Duration of the newest night.", [({}, seconds)])
        counter = CounterMetricFamily(
            "recs_runs", "Nights recorded in the home, by how they ended.", labels=[*self._labels, "status"]
        )
        ended = Counter(one.status for one in runs)
        for status in ENDINGS:
            counter.add_metric([*self._labels.values(), status], ended[status])
        yield counter

    def _work(self, run: Run) -> Iterable[Metric]:
        seconds: Counter[tuple[str, str]] = Counter()
        for stage in run.stages:
            seconds[stage.stage, stage.model or ""] += stage.seconds  # type: ignore[assignment]
        yield self._gauge(
            "recs_last_run_stage_seconds",
            "Duration of each stage; a model's fit and refit together.",
            [({"stage": stage, "model": model}, taken) for (stage, model), taken in seconds.items()],
        )
        peak = max((stage.peak_mb * _MB for stage in run.stages), default=None)
        yield self._gauge(
            "recs_last_run_peak_memory_bytes", "Greatest memory of the process in any stage.", [({}, peak)]
        )
        intake = run.summary.intake
        yield self._gauge(
            "recs_last_run_rows_landed",
            "Rows of each source that were read.",
            [({"source": count.source}, count.rows_in) for count in intake],
        )
        yield self._gauge(
            "recs_last_run_rows_rejected",
            "Rows of each source in quarantine.",
            [({"source": count.source}, count.quarantined) for count in intake],
        )

    def _results(self, run: Run) -> Iterable[Metric]:
        lists = find_lists(self._home.artifact_store, run)
        yield self._gauge(
            "recs_last_run_users_with_lists",
            "Users for whom the newest night made a list, published or not.",
            [({}, None if lists is None else lists.n_users)],
        )
        rows = [
            row
            for row in read_metrics(Runs(self._home.runs).folder(run.run_id)).metrics
            if (row.half, row.segment, row.model) == ("report", "all", run.champion)
        ]
        decisive = champion_metric(run, rows) if rows else None
        yield self._gauge(
            "recs_last_run_champion_metric",
            "The champion's metric on the report half.",
            [
                ({"model": row.model, "metric": f"{row.metric}@{row.k}"}, row.value)
                for row in rows
                if (row.metric, row.k) == decisive
            ],
        )
        yield self._gauge(
            "recs_last_run_failed_models", "Models that were left out.", [({}, len(run.failed_models))]
        )
        days = {check.check: check.value for check in run.summary.checks}
        for name, check, about in (
            (
                "recs_last_run_input_age_seconds",
                "input_age_days",
                "From the newest interaction to the start.",
            ),
            (
                "recs_last_run_behind_live_seconds",
                "days_behind_live",
                "By which the data end before the live lists'.",
            ),
        ):
            value = days.get(check)
            yield self._gauge(name, about, [({}, None if value is None else value * _DAY)])
        drift = () if run.summary.drift is None else run.summary.drift.measures
        yield self._gauge(
            "recs_last_run_drift",
            "Population-stability index of a distribution, or tonight's count.",
            [({"measure": each.measure}, each.value) for each in drift],
        )
        yield self._gauge(
            "recs_last_run_drift_reference",
            "Mean of the same measure over the last published nights.",
            [({"measure": each.measure}, each.reference) for each in drift],
        )

    def _gauge(self, name: str, about: str, samples: Labelled) -> Metric:
        """Return a gauge; samples without a value are left out."""
        known = [(labels, value) for labels, value in samples if value is not None]
        names = [*self._labels, *(known[0][0] if known else ())]
        gauge = GaugeMetricFamily(name, about, labels=names)
        for labels, value in known:
            gauge.add_metric([*self._labels.values(), *labels.values()], value)
        return gauge


def _timestamp(moment: datetime | None) -> float | None:
    """Return a naive UTC time as seconds since 1970."""
    return None if moment is None else moment.replace(tzinfo=UTC).timestamp()
