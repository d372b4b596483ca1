"""The API that a night reports to: its own server on this machine, or one that the user has configured."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from prefect.client.orchestration import get_client
from prefect.context import get_settings_context
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.errors import NightError

_MAX_RETRIES = 2  # of the first request, 2 s and 4 s later; Prefect's own default would take a minute
_NO_PROXY = ("NO_PROXY", "no_proxy")
_FILES = {".env": (), "prefect.toml": ("api",), "pyproject.toml": ("tool", "prefect", "api")}
"""Where Prefect looks for settings in the current folder, and the table of the TOML files that has the address."""


def require_api() -> None:
    """Raise NightError unless the API that the user has configured answers as Prefect's does.

    The error names the address and where it was configured.
    """
    address = _without_login(PREFECT_API_URL.value())
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: _MAX_RETRIES}),
            get_client(sync_client=True) as api,
        ):
            api.raise_for_api_version_mismatch()
    except Exception as error:
        reason = error.__cause__ or error
        raise NightError(
            f"Prefect's API at {address} cannot be used: {_first_line(reason)}.",
            f"The address comes from {_source()}. Is that server running, and does the address end in /api? "
            "Without this setting a night starts a server of its own.",
        ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


def _source() -> str:
    """Return where the API's address was configured, in words."""
    if os.environ.get(PREFECT_API_URL.name):
        return f"the environment variable {PREFECT_API_URL.name}"
    context = get_settings_context()
    return f"the profile {context.profile.name!r} in {context.settings.profiles_path}"


def addresses_not_read(folder: Path) -> dict[str, str]:
    """Return the addresses of an API in the files of `folder` that Prefect would read, but nights do not.

    Returns:
        The name of each file that has one, and the address.
    """
    found = {name: _address_in(folder / name, table) for name, table in _FILES.items()}
    return {name: _without_login(address) for name, address in found.items() if address}


def _address_in(path: Path, table: tuple[str, ...]) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        settings: Any = tomllib.loads(text) if table else _dotenv(text)
    except (OSError, ValueError):
        return ""  # absent, or it is no business of ours what is wrong with it
    for key in (*table, "url" if table else PREFECT_API_URL.name):
        settings = settings.get(key, "") if isinstance(settings, Mapping) else ""
    return str(settings)


def _dotenv(text: str) -> dict[str, str]:
    """Return the variables in a `.env` file."""
    pairs = (line.removeprefix("export ").partition("=") for line in text.splitlines())
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


@contextmanager
def no_proxy_for(address: str) -> Iterator[None]:
    """Keep the proxies of the environment unused inside this context if `address` is on this machine.

    A proxy cannot reach our loopback. `NO_PROXY=*` is the one value that httpx and websockets understand alike, and
    that keeps httpx from building proxies it cannot build, such as SOCKS or a misspelt one.
    """
    if not _on_this_machine(address):
        yield
        return
    before = {name: os.environ.get(name) for name in _NO_PROXY}
    os.environ.update(dict.fromkeys(_NO_PROXY, "*"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _without_login(address: str) -> str:
    """Return an address without a user's name, a password and a query, which may hold a key."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _on_this_machine(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
