"""Where the artifacts of a home lie: in it, in a folder that machines share, or at an address of fsspec.

The home remembers the place, so that every command finds them. A night that is set to another place takes them there
first. Homes may share a place: each has a folder of its own in it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tasks.errors import UsageError
from tasks.storage.home import Home
from tasks.storage.remote_store import is_address


def place_artifacts(home: Home, place: str) -> None:
    """Let a home keep its artifacts at a place from now on, and take there those that lie elsewhere.

    A call that was killed is finished by the next one.

    Args:
        home: whose night lock the caller holds.
        place: a folder, an address of fsspec, or empty for the home itself.

    Raises:
        UsageError: as `check_place`.
        TransientError: an address does not answer.
    """
    check_place(home, place)
    _finish_move(home)
    if place != home.place:
        home.remember_place(place, before=home.place)
        _finish_move(home)


def check_place(home: Home, place: str) -> None:
    """Raise an error if a home could not keep its artifacts at a place, or if those that it has cannot be reached.

    Args:
        home: the home.
        place: a folder, an address of fsspec, or empty for the home itself.

    Raises:
        UsageError: a place is no folder or cannot be written, a protocol is unknown or its package not installed, or
            the artifacts of the home have gone.
        TransientError: an address does not answer.
    """
    for each in {place, home.place, home.place_before or ""}:
        remote = home.store_at(each).remote
        if remote is not None:
            remote.check()
        elif each:
            _require_folder(Path(each))
    folder = home.artifacts
    if home.place and not is_address(home.place) and home.place_before is None and not folder.is_dir():
        raise UsageError(
            f"The artifacts of {home.path} have gone: there is no folder {folder}.",
            f"Is {home.place} mounted? If they are lost, make the folder: the next night makes them anew.",
        )


def _require_folder(folder: Path) -> None:
    """Raise a UsageError unless files can be written into a folder."""
    if not folder.is_dir():
        fault = "is a file" if folder.exists() else "does not exist"
        raise UsageError(
            f"The folder for artifacts, {folder}, {fault}; one that all machines see was expected.",
            "Make or mount it, or name another: engine.artifacts.",
        )
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(
            f"The folder for artifacts, {folder}, cannot be written to: {error.strerror}.",
            "Mend its permissions, or name another: engine.artifacts.",
        ) from None


def _finish_move(home: Home) -> None:
    """Take the artifacts from where they lay before to where they lie from now on, if that is another place."""
    if home.place_before is None:
        return
    home.artifact_store.take_all(home.store_at(home.place_before))
    home.remember_place(home.place, before=None)
