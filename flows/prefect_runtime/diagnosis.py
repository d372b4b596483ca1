"""Examines the Prefect API that nights would report to; part of `recs doctor`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from flows.prefect_runtime.home import configure_prefect, import_prefect
from tasks.diagnosis.finding import Finding

_NAME = "Prefect"
_NAMING_AN_API = ("PREFECT_API_URL", "PREFECT_PROFILE")


def examine_prefect(folder: Path) -> Finding:
    """Return which API nights report to, and whether it answers.

    Args:
        folder: where nights of the home keep Prefect's files.

    Raises:
        NightError: the API that the environment names does not answer.
    """
    if not any(os.environ.get(name) for name in _NAMING_AN_API):
        return _own_server(Path(os.environ.get("PREFECT_HOME") or folder))
    with tempfile.TemporaryDirectory() as elsewhere:  # so that nothing is written into the home
        configure_prefect(Path(elsewhere), debug=False)
        import_prefect()
        from prefect.settings import PREFECT_API_URL  # noqa: PLC0415  (only once it is configured)

        from flows.prefect_runtime.api import no_proxy_for, require_api  # noqa: PLC0415

        address = PREFECT_API_URL.value()
        if not address:
            return _own_server(folder)
        with no_proxy_for(address):
            require_api()
    return Finding(_NAME, "OK", "the API that the environment names answers")


def _own_server(folder: Path) -> Finding:
    """Return whether a night could start its own server, which keeps its files in `folder`."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if os.access(nearest, os.W_OK):
        return Finding(_NAME, "OK", f"each night starts its own server, with its files in {folder}")
    return Finding(
        _NAME, "bad", f"nights would keep their server's files in {folder}, which cannot be written",
        "Mend the permissions, or set PREFECT_HOME to another folder.",
    )  # fmt: skip
