"""`make setup`: who waits for packages sees them come, and who cannot have them is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIP_SAYS = (
    "Collecting tiny (from -c constraints.txt (line 3))",
    "  Downloading tiny-1.0-py3-none-any.whl.metadata (5 kB)",
    "  Downloading tiny-1.0-py3-none-any.whl (9.7 MB)",
    "  Using cached old-2.0-py3-none-any.whl (12 kB)",
    "Installing collected packages: tiny, old",
)


def setup(folder: Path, pip_ends: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make setup` in a folder whose pip says `PIP_SAYS` and ends so."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    said = "\n".join(PIP_SAYS)
    python.write_text(
        f"#!/bin/sh\ntest \"$2\" = pip || exit 0\necho '{said}'\necho 'ERROR: how it went' >&2\nexit {pip_ends}\n"
    )
    python.chmod(0o755)
    command = ["make", "setup", f"PYTHON={sys.executable}", *arguments]
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        command, cwd=folder, env=alone, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [(), ("TORCH_INDEX=https://example.org/cpu",)])
def test_packages_are_named_as_they_come(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = setup(tmp_path, 0, *arguments)
    shown = [
        "  Downloading tiny-1.0-py3-none-any.whl (9.7 MB)",
        "  Using cached old-2.0-py3-none-any.whl (12 kB)",
        "  Installing them ...",
    ]
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == shown * (1 + len(arguments))
    assert (tmp_path / ".venv" / ".ready").exists()


@pytest.mark.parametrize("arguments", [(), ("TORCH_INDEX=https://example.org/cpu",)])
def test_a_pip_that_fails_ends_make_with_its_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = setup(tmp_path, 1, *arguments)
    assert done.returncode == 2
    assert "ERROR: how it went" in done.stderr
    assert not (tmp_path / ".venv" / ".ready").exists()
