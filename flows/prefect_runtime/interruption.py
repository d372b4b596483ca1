"""Ctrl-C and SIGTERM end a night at once, and on record."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LONGEST = 3  # seconds for the last words


@contextmanager
def ending_at_once(last_words: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """What happens inside ends with the process, as by SIGKILL, but after `last_words`.

    An interruption that travelled through Prefect as an exception would wait for every fit that runs in a thread. A
    night is made to be killed anywhere: what is finished is kept, and what is not leaves nothing behind.

    Yields:
        What takes the signals back from whoever took them meanwhile; Prefect does, when a flow begins.
    """

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        # In a thread of its own: this one may stand in the midst of what it would wait for.
        told = threading.Thread(target=last_words, daemon=True)
        told.start()
        told.join(_LONGEST)
        os._exit(128 + number)

    def listen() -> None:
        for number in _SIGNALS:
            signal.signal(number, end)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread can hear signals
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    listen()
    try:
        yield listen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
