"""Measure how tonight's input differs from that of earlier nights. Without its figures a night goes on."""

from __future__ import annotations

import logging

from tasks.artifacts import Snapshot
from tasks.errors import in_words
from tasks.run.context import Night
from tasks.validation.drift import measure_drift

log = logging.getLogger(__name__)


def watch_drift(night: Night, snapshot: Snapshot) -> None:
    """Compare tonight's input with that of earlier nights. If this fails, only these figures are missing."""
    data = night.settings.data
    call = measure_drift.call(
        snapshot,
        night.record,
        night.runs.all,
        as_of=night.as_of,
        rating_scale=(data.rating_min, data.rating_max),
    )
    promise = night.start(call)
    try:
        night.note(drift=promise.result())
    except Exception as error:  # noqa: BLE001 - whatever it is, the lists need no drift
        night.failed_stage = ""
        log.warning("The stage drift failed, and the night goes on without its figures: %s", in_words(error))
