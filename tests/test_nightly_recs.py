"""The command's entry: modules of another project in place of ours or of those we need are named, in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nightly_recs import command
from tests.test_architecture import imported

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


@pytest.mark.parametrize("entry", ["import nightly_recs; nightly_recs.main()", "import flows.cli.app"])
@pytest.mark.parametrize("other", ["numpy.py", "torch/__init__.py"])
def test_a_module_in_place_of_a_needed_one_is_named(tmp_path: Path, entry: str, other: str) -> None:
    path = tmp_path / other
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise RuntimeError('another project')")
    done = run(tmp_path, entry)
    assert done.returncode == 2
    named = tmp_path / other.partition("/")[0]
    assert done.stderr == (
        f"Error: {named} of another project hides the installed packages of the same name.\n"
        "Take the folder out of PYTHONPATH for this command: env -u PYTHONPATH recs ...\n"
    )


@pytest.mark.parametrize("other", ["typing_extensions.py", "random.py"])
def test_a_module_that_breaks_an_import_is_named(tmp_path: Path, other: str) -> None:
    (tmp_path / other).write_text("raise RuntimeError('another project')")
    done = run(tmp_path, "import nightly_recs; nightly_recs.main()")
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {tmp_path / other} of another project hides the installed modules")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("other", ["numpy.dist-info", "mine.py", "code.py"])
def test_modules_that_do_no_harm_are_let_be(tmp_path: Path, other: str) -> None:
    (tmp_path / other).mkdir() if other.endswith("info") else (tmp_path / other).touch()
    if other.endswith("info"):
        (tmp_path / "typer.py").touch()
    assert run(tmp_path, "import nightly_recs; nightly_recs.refuse_other_packages()").returncode == 0


def test_every_needed_package_is_checked() -> None:
    files = [path for folder in ("flows", "tasks", "models") for path in (ROOT / folder).rglob("*.py")]
    found = set().union(*map(imported, files)) - sys.stdlib_module_names
    of_extras = {
        "mlflow",
        "wandb",
        "onnx",
        "onnxscript",
        "onnxruntime",
        "faiss",
        "ray",
        "prefect_ray",
    }  # imported where they are used
    assert found - {"flows", "tasks", "models", "nightly_recs"} - of_extras <= set(command._NEEDED)


def run(other_project: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with another project in front of ours."""
    environment = {**os.environ, "PYTHONPATH": f"{other_project}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
