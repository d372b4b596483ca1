"""Which stages are tried again after an error that may pass."""

from tasks.ingestion.land import land
from tasks.publication.publish import publish_or_hold_back
from tasks.reporting.run_report import report


def test_landing_publishing_and_reporting_are_retried() -> None:
    assert [stage.name for stage in (land, publish_or_hold_back, report) if not stage.retried] == []
