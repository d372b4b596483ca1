"""The address of a tracker: which product it means, and how it is shown without its secrets.

Another product is one module in `trackers/`: a `Tracker` that names its `schemes`.
"""

from __future__ import annotations

import os
import pkgutil
import re
from importlib import import_module
from urllib.parse import unquote

from tasks.errors import UsageError
from tasks.tracking import trackers
from tasks.tracking.tracker import Tracker

SETTING, VARIABLE = "tracking.uri", "RECS_TRACKING__URI"
SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "WANDB_API_KEY")
"""Variables of the trackers' own that hold a secret."""
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]*@")
_SHORTEST_OPTION = 6  # characters of an option's value from which it may be a secret
_LONGEST = 300  # characters of an error


def known_trackers() -> tuple[type[Tracker], ...]:
    """Return the trackers of the modules in `trackers/`, in the order of the modules' names."""
    names = (module.name for module in pkgutil.iter_modules(trackers.__path__))
    modules = [import_module(f"{trackers.__name__}.{name}") for name in names]
    members = [member for module in modules for member in vars(module).values()]
    kinds = (
        member
        for member in members
        if isinstance(member, type) and issubclass(member, Tracker) and member is not Tracker
    )
    return tuple(dict.fromkeys(kinds))


def tracker_of(uri: str) -> type[Tracker]:
    """Return the kind of tracker that an address means.

    Raises:
        UsageError: none knows its scheme. The message repeats nothing else of the address, which may hold a password.
    """
    scheme = uri.partition(":")[0].partition("+")[0].lower() if ":" in uri else ""
    known = known_trackers()
    for kind in known:
        if scheme in kind.schemes:
            return kind
    schemes = "; ".join(
        f"{', '.join(f'{name}:' for name in kind.schemes)} for {kind.title}" for kind in known
    )
    begins = f"begins with {scheme + ':'!r}" if re.fullmatch(r"[a-z][a-z0-9]*", scheme) else "has no scheme"
    raise UsageError(
        f"{SETTING} {begins}, but these are known: {schemes}. A file is written sqlite:///mlflow.db"
    )


def shown(uri: str) -> str:
    """Return an address without user, password and options."""
    credentials = _credentials(uri)
    return uri.replace(f"{credentials}@", "", 1).partition("?")[0] if credentials else uri.partition("?")[0]


def without_secrets(text: str, uri: str) -> str:
    """Return the first line of an error, shortened, with every secret that it may repeat replaced by ***.

    Args:
        text: the error's.
        uri: the address, whose user, password and options are secrets.
    """
    credentials = _credentials(uri)
    options = uri.replace(credentials, "", 1).partition("?")[2].split("&")
    values = [value for option in options if len(value := option.partition("=")[2]) >= _SHORTEST_OPTION]
    secrets = [*map(os.environ.get, SECRET_VARIABLES), credentials, credentials.partition(":")[2], *values]
    forms = {form for each in secrets if each for form in (each, unquote(each))}
    line = next((line.strip() for line in text.replace(uri, shown(uri)).splitlines() if line.strip()), "")
    for secret in sorted(forms, key=len, reverse=True):
        line = line.replace(secret, "***")
    line = _CREDENTIALS.sub("***@", line).rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _credentials(uri: str) -> str:
    """Return the user and the password of an address; up to the last @, because a password may hold one."""
    scheme, _, rest = uri.partition("://")
    return "" if scheme.lower().startswith("sqlite") else rest.rpartition("@")[0]
