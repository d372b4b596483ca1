"""The command's entry: packages of another project in place of ours are named, in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("entry", ["import nightly_recs; nightly_recs.main()", "import flows.cli.app"])
@pytest.mark.parametrize("other", ["models/__init__.py", "tasks.py"])
def test_a_package_of_another_project_is_named(tmp_path: Path, entry: str, other: str) -> None:
    path = tmp_path / other
    path.parent.mkdir(exist_ok=True)
    path.touch()
    done = run(tmp_path, entry)
    assert done.returncode == 2
    named = tmp_path / other.partition("/")[0]
    assert done.stderr.startswith(
        f"Error: {named} of another project hides the packages of the same name in {ROOT}."
    )
    assert len(done.stderr.splitlines()) == 2


def test_a_package_flows_of_another_project_is_named(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").touch()
    done = run(tmp_path, "import nightly_recs; nightly_recs.main()")
    assert done.returncode == 2
    assert str(tmp_path / "flows") in done.stderr


def test_folders_of_these_names_are_no_packages(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    assert run(tmp_path, "import nightly_recs; nightly_recs.refuse_other_packages()").returncode == 0


def run(other_project: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with another project in front of ours."""
    environment = {**os.environ, "PYTHONPATH": f"{other_project}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
