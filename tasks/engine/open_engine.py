"""Open the engine that the settings choose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from tasks.config.engine_settings import EngineSettings
from tasks.engine.engine import Engine
from tasks.engine.local import LOCAL
from tasks.engine.shared_artifacts import SharedArtifacts
from tasks.errors import UsageError
from tasks.storage.artifact_store import Store

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
def open_engine(settings: EngineSettings, store: Store | None = None) -> Iterator[Engine]:
    """Open the engine inside this context.

    Args:
        settings: the table `[engine]`.
        store: the artifacts of the night; None: workers see them in the folders that their work names.

    Raises:
        UsageError: it is not installed, or no cluster answers.
    """
    require_engine(settings)
    if settings.kind == "local":
        yield LOCAL
        return
    from tasks.engine.ray import connected  # noqa: PLC0415  (an extra)

    artifacts = None
    if store is not None and store.remote is not None:
        artifacts = SharedArtifacts(store.root, os.uname().nodename, store.remote, settings.cache)
    with connected(settings, artifacts) as engine:
        yield engine
