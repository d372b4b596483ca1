"""A stage is retried after errors that may pass, and the coming try is announced."""

import logging
from types import SimpleNamespace

import pytest

from flows.prefect_runtime.retry_policy import DELAYS, may_pass
from tasks.errors import NightError, TransientError


def asked(error: Exception, tries: int = 1) -> bool:
    """Ask the policy as Prefect does, after so many tries."""
    state = SimpleNamespace(result=lambda raise_on_failure: error)
    return may_pass(SimpleNamespace(name="land"), SimpleNamespace(run_count=tries), state)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [OSError("busy"), TransientError("out of reach")])
@pytest.mark.parametrize(("tries", "seconds"), [(1, 1), (2, 5), (3, 20)])
def test_an_external_error_may_pass_and_is_announced(
    caplog: pytest.LogCaptureFixture, error: Exception, tries: int, seconds: int
) -> None:
    with caplog.at_level(logging.WARNING):
        assert asked(error, tries)
    assert caplog.messages[0].startswith(f"land is tried again in {seconds} s: ")


@pytest.mark.parametrize("error", [NightError("wrong"), ValueError("a bug"), MemoryError()])
def test_other_errors_do_not_pass(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    assert not asked(error)
    assert caplog.messages == []


def test_there_is_a_delay_before_each_of_three_more_tries() -> None:
    assert DELAYS == [1, 5, 20]
