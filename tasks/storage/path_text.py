"""Paths as users write them, in options and in variables: `~` is expanded, and text that means no path here is refused.

No shell has expanded `~` and `$HOME` in a unit file, in quotes or after `--home=`.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from tasks.errors import UsageError

_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[^}]*\}|\([^)]*\))|%(?![0-9A-Fa-f]{2})[A-Za-z_]\w*%|^%h(?=/|$)")
_HOME_DIRECTORY = re.compile(r"^(?:\$HOME\b|\$\{HOME\}|%USERPROFILE%|%HOME%|%h(?=/|$))")
_URL = re.compile(r"[\w.+@-]{2,}:/|file:", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def parse_path(option: str, text: str | Path) -> Path:
    """Return a path, with `~` and `~user` expanded.

    Args:
        option: the option, argument or variable, for messages.
        text: its value.

    Raises:
        UsageError: `text` is empty, such as that of an unset shell variable, a URL or a path of Windows, it is in
            quotation marks or holds an unexpanded variable, or there is no such user.
    """
    written = str(text)
    fault = _fault(option, written)
    if fault is not None:
        raise fault
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{option} {text}: no home directory is known to put in the place of {Path(text).parts[0]}.",
            "Write the path in full.",
        ) from None


def unexpanded_variable(text: str) -> str | None:
    """Return the first `$NAME`, `${NAME}`, `$(command)` or `%NAME%` in a text; None without one.

    `%h`, which systemd expands in unit files only, counts at the beginning; percent-encoded bytes do not count.
    """
    found = _VARIABLE.search(text)
    return None if found is None else found[0]


def with_tilde(text: str) -> str | None:
    """Return a path with `~` in place of a leading `$HOME`; None if it still holds a variable."""
    path = _HOME_DIRECTORY.sub("~", text)
    return None if unexpanded_variable(path) else path


def _fault(option: str, text: str) -> UsageError | None:
    """Return the error for a text that is no path of this system; None if it may be one."""
    if not text.strip():
        return UsageError(f"{option} is empty.", "Give it a path, or leave it out.")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return UsageError(f"{option} {text} is in quotation marks.", f"Leave them out: {text[1:-1]}")
    if _URL.match(text):
        shown = re.sub(r"(?<=://).*@", "…@", text)  # there may be a password
        return UsageError(
            f"{option} {shown} is a URL or lies on another machine; a path on this one was expected.",
            _path_hint(text),
        )
    if _WINDOWS.match(text):
        return UsageError(
            f"{option} {text} is a path of Windows.",
            "Write the path as this system knows it, such as /mnt/c/folder",
        )
    variable = unexpanded_variable(text)
    if variable is None or (not text.startswith(variable) and Path(text).exists()):
        return None
    suggested = with_tilde(text)
    return UsageError(
        f"{option} {text} holds {variable}, which nothing has expanded.",
        f"Write {suggested} or the path in full." if suggested else "Write the path in full.",
    )


def _path_hint(url: str) -> str:
    path = re.sub(r"^file:(//[^/]*)?", "", url, flags=re.IGNORECASE)
    if path not in ("", url):
        return f"Write the path alone: {unquote(path)}"
    return "Mount or copy what lies elsewhere, and give the path on this machine."
