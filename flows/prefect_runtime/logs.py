"""Log lines of a night: all of them in Prefect's UI, warnings of our own on the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.logging.handlers import APILogHandler

_OURS = ("flows", "tasks", "models")
_OF_PREFECT = "prefect"


@contextmanager
def sending_logs_to_prefect() -> Iterator[None]:
    """Send our log lines of this context, from INFO, to the flow run or task run that they belong to.

    Prefect's own variable for this, PREFECT_LOGGING_EXTRA_LOGGERS, would have to be set before Prefect is imported,
    which a worker of Prefect's has done already.
    """
    handler = APILogHandler()
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in _OURS}
    for logger in levels:
        logger.addHandler(handler)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.removeHandler(handler)
            logger.setLevel(level)


def keep_terminal_quiet() -> None:
    """Keep what is meant for Prefect's UI off the terminal: our lines below the root's level, and Prefect's own.

    Our own watcher prints failures of flows and tasks, in one sentence. An error while logging is not printed: Prefect
    would print one for every batch of lines that a dead API does not take.
    """
    logging.raiseExceptions = False
    root = logging.getLogger()
    for handler in root.handlers:
        if handler.level < root.level:
            handler.setLevel(root.level)
        if root.level > logging.DEBUG and _is_ours_or_critical not in handler.filters:
            handler.addFilter(_is_ours_or_critical)


def _is_ours_or_critical(line: logging.LogRecord) -> bool:
    """Return False for a line of Prefect's below CRITICAL."""
    return line.name.partition(".")[0] != _OF_PREFECT or line.levelno >= logging.CRITICAL
