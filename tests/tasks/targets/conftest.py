"""A disk that is soon full."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Twelve megabytes in memory, where this user may mount such a thing."""
    folder = Path(
        tempfile.mkdtemp(prefix="recs-disk-")
    )  # not in tmp_path: the server's own user must get there
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=777", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()
