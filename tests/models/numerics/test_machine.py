"""Limits of control groups, of both versions of cgroup, are found; the tightest one counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.numerics import machine
from models.numerics.machine import allowed_cores, allowed_memory, usable_cores

GB = 2**30


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 processors and 256 GB without control groups."""
    monkeypatch.setattr(machine, "usable_cores", lambda: 64)
    write(tmp_path, {"proc/meminfo": f"MemTotal: {256 * GB // 1024} kB\nMemFree: 5 kB\n"})
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_without_control_groups_the_machine_counts(root: Path) -> None:
    assert (allowed_cores(root), allowed_memory(root)) == (64, 256 * GB)
    (root / "proc/meminfo").write_text("MemFree: 5 kB\n")
    assert allowed_memory(root) is None


def test_this_machine_has_cores_and_memory() -> None:
    assert 1 <= allowed_cores() <= usable_cores()
    found = allowed_memory()
    assert found is None or found > 2**28


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 64), ("250000 100000", 2), ("50000 100000", 1), ("6400000 100000", 64)],
)
def test_quota_of_version_2(root: Path, quota: str, cores: int) -> None:
    write(root, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota + "\n"})
    assert allowed_cores(root) == cores


def test_groups_above_limit_too(root: Path) -> None:
    write(
        root,
        {
            "proc/self/cgroup": "0::/system.slice/recs.service\n",
            "sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/system.slice/memory.max": f"{8 * GB}\n",
            "sys/fs/cgroup/system.slice/recs.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/system.slice/recs.service/memory.max": "max\n",
        },
    )
    assert (allowed_cores(root), allowed_memory(root)) == (3, 8 * GB)


def test_version_1_has_a_folder_for_each_controller(root: Path) -> None:
    write(
        root,
        {
            "proc/self/cgroup": "4:memory:/box\n2:cpu,cpuacct:/box\n1:name=systemd:/box\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{6 * GB}\n",
        },
    )
    assert (allowed_cores(root), allowed_memory(root)) == (4, 6 * GB)
    write(root, {"sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1\n"})
    assert allowed_cores(root) == 64


def test_path_outside_the_container_is_not_needed(root: Path) -> None:
    write(
        root,
        {
            "proc/self/cgroup": "4:memory:/docker/0a1b\n2:cpu:/docker/0a1b\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GB}\n",
        },
    )
    assert (allowed_cores(root), allowed_memory(root)) == (2, 4 * GB)
