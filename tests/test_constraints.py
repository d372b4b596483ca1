"""constraints.txt pins what is installed, all of it and nothing else."""

import re
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = "nightly-recs"
FILE = Path(__file__).parents[1] / "constraints.txt"
# What only other machines install: torch's CUDA on Linux, and what Prefect takes before or from Python 3.13 on.
ELSEWHERE = re.compile(r"cuda-.*|nvidia-.*|triton|pendulum|tzdata|whenever")


def pinned() -> dict[str, str]:
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): version for name, version in pairs}


def installed() -> dict[str, str]:
    """Public versions of all that the project and its dev tools need here, by name."""
    waiting, done, versions = [(PROJECT, "dev"), (PROJECT, "")], set(), {}
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        found = distribution(name)
        versions[name] = Version(found.version).public
        for requirement in map(Requirement, found.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed = canonicalize_name(requirement.name)
                waiting += [(needed, wanted) for wanted in ("", *requirement.extras)]
    del versions[PROJECT]
    return versions


def test_everything_installed_is_pinned_at_its_version() -> None:
    pins = pinned()
    assert {name: pins.get(name) for name in installed()} == installed()


def test_nothing_else_is_pinned() -> None:
    needless = pinned().keys() - installed().keys()
    assert {name for name in needless if not ELSEWHERE.fullmatch(name)} == set()
