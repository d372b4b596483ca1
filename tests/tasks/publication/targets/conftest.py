"""A PostgreSQL schema with a published run, a server that can be stopped, and a disk that is soon full."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.publication.publish import publish
from tasks.publication.targets.base import Target
from tests.tasks.postgres_server import Server, new_schema, running_server
from tests.tasks.publication.published_lists import BIGINTS, make_lists
from tests.tasks.serving import Serving


@pytest.fixture
def published(postgres: str, tmp_path: Path) -> Serving:
    """A schema in which run 1 is live."""
    return published_schema(postgres, tmp_path)


@pytest.fixture(scope="module")
def shared_published(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """A schema in which run 1 is live, shared by the tests of a module that publish nothing."""
    return published_schema(postgres, tmp_path_factory.mktemp("published"))


def published_schema(server: str, folder: Path) -> Serving:
    serving = Serving(new_schema(server), folder)
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        publish_run(target, serving, 1)
    return serving


def publish_run(
    target: Target, serving: Serving, run: int, *, on_step: Callable[[str], None] = str, **options
) -> bool:
    lists = make_lists(
        serving.folder / f"lists-{run}-{time.monotonic_ns()}", run, users=options.pop("users", 30)
    )
    options = {"expected_live": target.live_run(), "keep_runs": 2, **options}
    return publish(target, run, lists, on_step=on_step, **options).switched


@pytest.fixture(scope="module")
def stoppable_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(stoppable_server: Server) -> Server:
    """A running server that a test may stop; the tests of a module share it."""
    stoppable_server.start()
    return stoppable_server


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 12 MB in memory; the test is skipped if this user may not mount one."""
    # Not in tmp_path: the server's own user must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="recs-disk-"))
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=777", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()
