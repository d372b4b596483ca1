"""Ctrl-C and SIGTERM end a night at once, and the night is recorded as interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_RECORD_TIMEOUT = 3  # seconds


@contextmanager
def ending_at_once(record: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """End the process on SIGINT or SIGTERM inside this context, as SIGKILL would, but call `record` first.

    A KeyboardInterrupt that travelled through Prefect would wait for every fit that runs in a thread. Ending at once is
    safe: finished stages are kept, and unfinished ones leave nothing behind.

    Yields:
        A function that installs the signal handlers again: Prefect replaces them when a flow begins.
    """

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        # In a thread of its own: the main thread may hold the lock that `record` would wait for.
        recording = threading.Thread(target=record, daemon=True)
        recording.start()
        recording.join(_RECORD_TIMEOUT)
        os._exit(128 + number)

    def install() -> None:
        for number in _SIGNALS:
            signal.signal(number, end)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread can handle signals
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    install()
    try:
        yield install
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
