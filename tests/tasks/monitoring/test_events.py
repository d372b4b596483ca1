"""A watcher receives the start and the end of every stage, errors included."""

import pytest

from tasks.monitoring.events import SilentWatcher, watched


class Recorder(SilentWatcher):
    """A watcher that keeps the failures."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str | None, type[BaseException]]] = []

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        self.failures.append((stage, model, type(error)))


@pytest.mark.parametrize("error", [ValueError("odd"), KeyboardInterrupt()])
def test_an_error_or_interruption_is_reported_and_reraised(error: BaseException) -> None:
    recorder = Recorder()
    with pytest.raises(type(error)), watched(recorder, "fit", "als"):
        raise error
    assert recorder.failures == [("fit", "als", type(error))]
