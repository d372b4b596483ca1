"""A folder for numba's compiled code where neither the installation nor the user's cache can be written.

Numba compiles for a minute and keeps the result beside the source or in the user's cache, and fails at import if it can
write neither: a package of root's, run by a service user without a home directory.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

_VARIABLE = "NUMBA_CACHE_DIR"
_SOURCE = Path(__file__).resolve().parents[1] / "models" / "__pycache__"


def set_numba_cache() -> None:
    """Name a temporary folder in NUMBA_CACHE_DIR unless numba has a place of its own. Call it before numba loads."""
    if not os.environ.get(_VARIABLE) and not any(map(_can_be_written, (_SOURCE, _user_cache()))):
        try:
            os.environ[_VARIABLE] = str(_private_folder())
        except OSError:
            return  # nothing can be written anywhere: numba says so


def _user_cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  (never raises)
    return Path(cache) / "numba"


def _can_be_written(folder: Path) -> bool:
    """Return whether a file can be made in `folder`, which is made if absent, as numba does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _private_folder() -> Path:
    """Return a folder of this user's alone, the same every night where possible.

    Numba runs what it finds there, so a folder that somebody else made is not taken.
    """
    folder = Path(tempfile.gettempdir()) / f"nightly-recs-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private else Path(tempfile.mkdtemp(prefix="nightly-recs-"))
