"""Prefect's settings for the nights of one home: files in the home, no telemetry, nothing of other projects.

Call `configure_prefect` and then `import_prefect` before anything else of Prefect is imported: Prefect reads its
settings at import.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from flows.prefect_runtime.empty_database import write_empty_database
from tasks.errors import NightError
from tasks.storage.path_text import parse_path

_PATHS = ("PREFECT_HOME", "PREFECT_PROFILES_PATH")
_SECRET = ("KEY", "PASSWORD", "AUTH", "URL", "HEADERS")
"""Parts of the names of variables whose values may hold a secret."""


def configure_prefect(folder: Path, *, debug: bool) -> None:
    """Set the environment variables of Prefect that are not set yet: files in `folder`, no telemetry.

    A PREFECT_HOME of the user's stays, and then no database is put into `folder`. The active profile of ~/.prefect
    belongs to other projects and is not read, unless PREFECT_PROFILE names one.
    """
    _require_home_directory(folder)
    for name in _PATHS:
        if path := os.environ.get(name):
            os.environ[name] = str(parse_path(name, path).absolute())
    if not os.environ.get("PREFECT_HOME"):
        if os.environ.get("PREFECT_PROFILE"):
            os.environ.setdefault("PREFECT_PROFILES_PATH", str(Path.home() / ".prefect" / "profiles.toml"))
        os.environ["PREFECT_HOME"] = str(folder.resolve())
        write_empty_database(folder / "prefect.db")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # For Prefect's UI: the terminal shows none of it (logs.py).
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "DEBUG" if debug else "INFO")
    # 2 and 4 s after a failure. The default of five takes a minute for each request to a dead API.
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "2")
    # One warning of ours says that an API does not answer; this would be several for each event.
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "DEBUG" if debug else "CRITICAL")
    # Messages after the end of the flow have no flow to go to: the terminal shows them.
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def import_prefect() -> None:
    """Import Prefect from its home, so that it reads no `.env`, `prefect.toml` or `pyproject.toml` of other projects.

    Prefect takes settings from these files wherever a command is started.

    Raises:
        NightError: a variable of the environment, or the profile, has a value that Prefect does not take.
    """
    if "prefect.main" in sys.modules:
        return
    home = Path(os.environ["PREFECT_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    said = io.StringIO()
    with contextlib.chdir(home):
        try:
            # Prefect prints the error here, too, that it raises in `prefect.main`
            with contextlib.redirect_stderr(said):
                importlib.import_module("prefect")
            importlib.import_module("prefect.main")
        except ValidationError as error:
            raise _bad_setting(error) from error
    sys.stderr.write(said.getvalue())


def _bad_setting(error: ValidationError) -> NightError:
    """Return the error for a setting of Prefect's: it names the variables of the environment that may hold it."""
    fault = error.errors()[0]
    value = str(fault["input"]).casefold()
    variables = {name: text for name, text in os.environ.items() if name.startswith("PREFECT_")}
    field = "_".join(map(str, fault["loc"])).upper()
    exact = [name for name, text in variables.items() if text.casefold() == value]
    named = [name for name in exact if name.endswith(field)] or exact
    seen = (
        f" says {variables[named[0]]!r}, and"
        if named and not any(part in named[0] for part in _SECRET)
        else ""
    )
    subject = (
        f"The environment variable {named[0]}{seen} is not what Prefect takes"
        if named
        else f"Prefect does not take its setting {field.lower()} ({error.title})"
    )
    return NightError(
        f"{subject}: {fault['msg']}.",
        f"Mend or unset it: unset {named[0]}"
        if named
        else f"Mend it in the environment ({', '.join(sorted(variables))}) or in Prefect's profile.",
    )


def refresh_settings() -> None:
    """Let Prefect read its environment again, and still no files of other projects."""
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415
    from prefect.settings import get_current_settings  # noqa: PLC0415

    with contextlib.chdir(get_current_settings().home):
        refresh_global_settings_context()


def _require_home_directory(folder: Path) -> None:
    """Set HOME to `folder` if this user has no home directory: Prefect fails at import without one."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(folder.resolve())
