"""Sending a night: what is sent in which order, and how its runs end if the tracker fails."""

from datetime import timedelta

import pytest

from tasks.tracking.tracker import send
from tests.tasks.tracking.recorded import BEGAN, Recorder, Refuser, fit_of, night_of

MINUTE = timedelta(minutes=1)


def test_fits_are_runs_within_the_run_of_the_night(tmp_path):
    tracker = Recorder()
    send(night_of(tmp_path, fit_of("als"), fit_of("mf", failed=True)), tracker)
    fit = [("parameters", {"factors": "64"}), ("metrics", {"ndcg_at_10": 0.25})]
    assert tracker.calls == [
        ("start", "20261121050000", {"status": "published"}),
        ("parameters", {"run.seed": "42"}),
        ("metrics", {"rows": 3000.0}),
        ("start", "als", {"fit": "fitted"}), *fit, ("end", BEGAN + timedelta(seconds=2), False),
        ("start", "mf", {"fit": "fitted"}), *fit, ("end", BEGAN + timedelta(seconds=2), True),
        ("artifact", "run.json"),
        ("end", BEGAN + MINUTE, False),
    ]  # fmt: skip


@pytest.mark.parametrize("refused", ["parameters", "metrics", "artifact"])
def test_runs_end_as_failed_when_a_call_raises(tmp_path, refused):
    tracker = Refuser(refused)
    with pytest.raises(ConnectionError, match=f"no {refused}"):
        send(night_of(tmp_path, fit_of("als")), tracker)
    assert tracker.calls[-1] == ("end", BEGAN + MINUTE, True)
    started, ended = ([call[0] for call in tracker.calls].count(name) for name in ("start", "end"))
    assert started == ended


def test_the_first_error_is_raised_when_the_end_fails_too(tmp_path):
    tracker = Refuser("all")
    with pytest.raises(ConnectionError, match="no start"):
        send(night_of(tmp_path), tracker)
    assert [call[0] for call in tracker.calls] == ["start"]
