"""constraints.txt pins exactly the packages that are installed."""

import re
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = "nightly-recs"
FILE = Path(__file__).parents[1] / "constraints.txt"
# Packages of other machines: torch's CUDA on Linux, and those that Prefect needs on some Python versions only
ELSEWHERE = re.compile(r"cuda-.*|nvidia-.*|triton|pendulum|tzdata|whenever")
# Extras whose versions must go together with those of the packages here
PINNED_EXTRAS = {"ray", "prefect-ray"}


def pinned() -> dict[str, str]:
    """Return name → version of every line."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): version for name, version in pairs}


def installed() -> dict[str, str]:
    """Return name → public version of every package that the project and its dev tools need here."""
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


def test_installed_packages_are_pinned_at_their_version() -> None:
    pins = pinned()
    assert {name: pins.get(name) for name in installed()} == installed()


def test_no_other_package_is_pinned() -> None:
    superfluous = pinned().keys() - installed().keys() - PINNED_EXTRAS
    assert {name for name in superfluous if not ELSEWHERE.fullmatch(name)} == set()
