"""The metrics file, read back by Prometheus' own parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tasks.artifacts import CheckResult, SourceCounts
from tasks.config.monitoring_settings import MonitoringSettings
from tasks.errors import UsageError
from tasks.monitoring.drift_figures import Drift, DriftMeasure
from tasks.reporting.prometheus_file import write_metrics_file
from tasks.storage.health import Health, Untold, utc_now
from tasks.storage.home import Home, make_home
from tasks.storage.run_records import Run, Runs, RunSummary, StageTime
from tests.tasks.reporting.nights import BEGAN, keep, night, row
from tests.tasks.storage.kept_health import write_health


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", "tiny")


def full_night() -> Run:
    counts = SourceCounts("ratings", 30, clean=20, duplicates=4, quarantined=6, reasons={})
    drift = Drift((DriftMeasure("ratings", 0.3, 0.01, 7), DriftMeasure("new_users", None, None, 7)))
    checks = (
        CheckResult("input_age_days", 0.5, None, passed=True),
        CheckResult("days_behind_live", None, 1.0, passed=True),
    )
    return night(
        data_until=BEGAN,
        stages=[
            StageTime("land", None, 4.0, 310.0, stored=True, note=""),
            StageTime("fit", "als", 2.0, 820.0, stored=False, note=""),
            StageTime("fit", "als", 3.0, 800.0, stored=False, note=""),
        ],
        summary=RunSummary(intake=(counts,), drift=drift, checks=checks),
    )


def written(home: Home, run: Run | None) -> dict[tuple[str, ...], float]:
    """Return (name, further labels…) → value of the file, as the parser reads it."""
    path = home.path / "recs.prom"
    write_metrics_file(path, home, run)
    families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.labels["dataset"] == "tiny" for sample in samples)
    assert all(sample.labels["home"] == str(home.path.resolve()) for sample in samples)
    return {
        (s.name, *(v for k, v in s.labels.items() if k not in ("home", "dataset"))): s.value for s in samples
    }


def test_file_says_how_the_night_went(home: Home) -> None:
    runs = Runs(home.runs)
    keep(runs, full_night(), [row("als", 0.25), row("popularity", 0.1), row("als", 0.4, half="select")])
    runs.save(night(20261120050000, status="failed"))
    found = written(home, full_night())
    end = datetime(2026, 11, 21, 5, 0, 18, tzinfo=UTC).timestamp()
    expected = {
        ("recs_last_run_status", "published"): 1,
        ("recs_last_run_status", "failed"): 0,
        ("recs_last_run_end_timestamp_seconds",): end,
        ("recs_last_success_timestamp_seconds",): end,
        ("recs_last_run_duration_seconds",): 18,
        ("recs_runs_total", "published"): 1,
        ("recs_runs_total", "failed"): 1,
        ("recs_last_run_peak_memory_bytes",): 820 * 2**20,
        ("recs_last_run_rows_landed", "ratings"): 30,
        ("recs_last_run_rows_rejected", "ratings"): 6,
        ("recs_last_run_champion_metric", "ndcg@10", "als"): 0.25,
        ("recs_last_run_failed_models",): 0,
        ("recs_last_run_input_age_seconds",): 43_200,
        ("recs_last_run_drift", "ratings"): 0.3,
        ("recs_last_run_drift_reference", "ratings"): 0.01,
    }
    assert {name: found.get(name) for name in expected} == expected
    stages = {
        frozenset(name[1:]): value for name, value in found.items() if name[0].endswith("stage_seconds")
    }
    assert stages == {frozenset(("land", "")): 4, frozenset(("fit", "als")): 5}
    absent = ("recs_last_run_behind_live_seconds", "recs_last_run_users_with_lists")
    assert not [name for name in found if name[0] in absent], "what has no value has no sample"
    assert ("recs_last_run_drift", "new_users") not in found


def test_failed_night_keeps_the_last_success(home: Home) -> None:
    runs = Runs(home.runs)
    runs.save(night(1))
    failed = night(2, status="failed", champion=None, finished_at=datetime(2026, 11, 22), stages=[])
    runs.save(failed)
    found = written(home, failed)
    assert found["recs_last_run_status", "failed"] == 1
    assert found["recs_last_success_timestamp_seconds",] < found["recs_last_run_end_timestamp_seconds",]


def test_health_tells_of_nights_without_a_record(home: Home) -> None:
    assert written(home, None) == {("recs_last_night_good",): 1, ("recs_messages_untold",): 0}
    runs, good = Runs(home.runs), BEGAN + timedelta(days=1)
    runs.save(night())
    found = written(home, night())
    assert found["recs_last_good_timestamp_seconds",] == found["recs_last_success_timestamp_seconds",]
    waits = Untold("failed", "title", "text", "failure", good)
    write_health(home, Health(good_at=good, bad="failed", untold=[waits]))
    found = written(home, night())
    assert found["recs_last_good_timestamp_seconds",] == good.replace(tzinfo=UTC).timestamp()
    assert found["recs_last_good_timestamp_seconds",] > found["recs_last_success_timestamp_seconds",]
    assert (found["recs_last_night_good",], found["recs_messages_untold",]) == (0, 1)
    waits.sending_until = utc_now() + timedelta(minutes=1)  # its process notes by itself whether it arrives
    write_health(home, Health(untold=[waits]))
    assert written(home, night())["recs_messages_untold",] == 0


def test_names_and_units_follow_the_conventions(home: Home) -> None:
    keep(Runs(home.runs), full_night(), [row("als", 0.25)])
    path = home.path / "recs.prom"
    write_metrics_file(path, home, full_night())
    families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    assert {family.type for family in families} == {"gauge", "counter"}
    for family in families:
        assert re.fullmatch(r"recs_[a-z_]+", family.name), family.name
        assert family.documentation.endswith(".")
        assert not re.search(r"_(ms|minutes|days|mb|kb|percent)\b", family.name)
        assert (family.type == "counter") == (family.name == "recs_runs"), "only counters end in _total"
    assert [each.name for each in home.path.iterdir() if ".prom." in each.name] == []


def test_missing_folder_is_refused_and_the_path_may_be_relative(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        write_metrics_file(tmp_path / "gone" / "recs.prom", home, night())
    assert MonitoringSettings().metrics_path(home.path) is None
    assert MonitoringSettings(metrics_file="a.prom").metrics_path(home.path) == home.path / "a.prom"
    assert MonitoringSettings(metrics_file="/srv/a.prom").metrics_path(home.path) == Path("/srv/a.prom")
    assert MonitoringSettings(metrics_file="~/a.prom").metrics_path(home.path) == Path.home() / "a.prom"
    with pytest.raises(ValueError, match=r"does not end in \.prom"):
        MonitoringSettings(metrics_file="recs.txt")
