"""Open the engine that the settings choose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from tasks.config.engine_settings import EngineSettings
from tasks.engine.engine import Engine
from tasks.engine.local import LOCAL
from tasks.errors import UsageError

_PACKAGES = ("ray", "prefect_ray")


def require_engine(settings: EngineSettings) -> None:
    """Raise a UsageError with the command that installs the engine, if it is not installed."""
    absent = [name for name in _PACKAGES if settings.kind == "ray" and find_spec(name) is None]
    if absent:
        raise UsageError(
            f'engine.kind = "ray" needs {" and ".join(absent)}, which '
            f"{'is' if len(absent) == 1 else 'are'} not installed.",
            "Install with: pip install 'nightly-recs[ray]'",
        )


@contextmanager
def open_engine(settings: EngineSettings) -> Iterator[Engine]:
    """Open the engine inside this context.

    Raises:
        UsageError: it is not installed, or no cluster answers.
    """
    require_engine(settings)
    if settings.kind == "local":
        yield LOCAL
        return
    from tasks.engine.ray import connected  # noqa: PLC0415  (an extra)

    with connected(settings) as engine:
        yield engine
