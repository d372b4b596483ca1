"""`make setup` prints each package as it is fetched, and fails with pip's error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIP_OUTPUT = (
    "Collecting tiny (from -c constraints.txt (line 3))",
    "  Downloading tiny-1.0-py3-none-any.whl.metadata (5 kB)",
    "  Downloading tiny-1.0-py3-none-any.whl (9.7 MB)",
    "  Using cached old-2.0-py3-none-any.whl (12 kB)",
    "Installing collected packages: tiny, old",
)


def make_setup(folder: Path, exit_code: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make setup` in a folder whose pip prints `PIP_OUTPUT` and exits with `exit_code`."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    output = "\n".join(PIP_OUTPUT)
    python.write_text(
        f"#!/bin/sh\ntest \"$2\" = pip || exit 0\necho '{output}'\necho 'ERROR: how it went' >&2\nexit {exit_code}\n"
    )
    python.chmod(0o755)
    command = ["make", "setup", f"PYTHON={sys.executable}", *arguments]
    # Without the variables of an outer make, whose flags a make in a test would take over
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [(), ("TORCH_INDEX=https://example.org/cpu",)])
def test_packages_are_printed_as_they_are_fetched(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = make_setup(tmp_path, 0, *arguments)
    shown = [
        "  Downloading tiny-1.0-py3-none-any.whl (9.7 MB)",
        "  Using cached old-2.0-py3-none-any.whl (12 kB)",
        "  Installing them ...",
    ]
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == shown * (1 + len(arguments))
    assert (tmp_path / ".venv" / ".ready").exists()


@pytest.mark.parametrize("arguments", [(), ("TORCH_INDEX=https://example.org/cpu",)])
def test_a_failing_pip_ends_make_with_its_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = make_setup(tmp_path, 1, *arguments)
    assert done.returncode == 2
    assert "ERROR: how it went" in done.stderr
    assert not (tmp_path / ".venv" / ".ready").exists()
