"""Virtual environments of the libraries: made once, outside our own, from pinned requirements."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from tasks.errors import NightError

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "data" / "benchmarks" / "peers"


def python_of(library: str, folder: Path = FOLDER) -> Path:
    """Return the Python of a library's environment, which is installed if it is absent or its requirements changed.

    Args:
        library: the name of a file in `requirements/`; `ours` is this Python.
        folder: where environments are kept.

    Raises:
        NightError: the installation failed.
    """
    if library == "ours":
        return Path(sys.executable)
    requirements = (HERE / "requirements" / f"{library}.txt").read_text(encoding="utf-8")
    home = folder / library
    installed, python = home / "installed.txt", home / "bin" / "python"
    if not installed.is_file() or installed.read_text(encoding="utf-8") != requirements:
        print(f"Installing {library} into {home} ...", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        ran = subprocess.run(  # noqa: S603  (pip)
            [*pip, "-r", HERE / "requirements" / f"{library}.txt"],
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise NightError(
                f"{library} cannot be installed: {ran.stderr.strip().splitlines()[-1]}",
                "The other libraries can be compared without it: --libraries ours,implicit",
            )
        installed.write_text(requirements, encoding="utf-8")
    return python
