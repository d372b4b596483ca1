"""Our packages are found among others of their names; modules that hide a needed one are named, in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nightly_recs import command
from tests.test_architecture import imported

ROOT = Path(__file__).parents[1]
SHOW_HELP = "import sys, nightly_recs; sys.argv[1:] = ['--help']; nightly_recs.main()"
WHERE = "import flows, tasks, models; print(*(package.__file__ for package in (flows, tasks, models)))"


def test_the_command_runs_beside_a_users_own_modules(tmp_path: Path) -> None:
    for other in ("models.py", "tasks/__init__.py", "flows.py"):
        put(tmp_path, other, "raise RuntimeError('another project')")
    done = run(tmp_path, SHOW_HELP)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "first", ["import nightly_recs", "from flows.cli import app", "import flows.nightly"]
)
def test_our_packages_are_found_first(tmp_path: Path, first: str) -> None:
    for other in ("models.py", "tasks.py"):
        put(tmp_path, other)
    done = run(tmp_path, f"{first}; import sys; sys.path.insert(0, {str(tmp_path)!r}); {WHERE}")
    assert done.stdout.split() == [str(ROOT / name / "__init__.py") for name in ("flows", "tasks", "models")]


def test_an_imported_module_of_another_project_is_named(tmp_path: Path) -> None:
    put(tmp_path, "models.py")
    done = run(tmp_path, "import models, nightly_recs")
    assert done.stderr.splitlines()[-1] == (
        "ImportError: nightly_recs needs the name 'models' for a package of its own, but this process has already "
        f"imported {tmp_path / 'models.py'} under it. Rename that module, or import nightly_recs in another process."
    )


def test_a_notebook_is_warned_of_hidden_modules(tmp_path: Path) -> None:
    put(tmp_path, "models.py")
    put(tmp_path, "tasks/__init__.py")
    (tmp_path / "flows").mkdir()  # a folder of data
    interactive = "import sys; sys.ps1 = '>>> '\nimport nightly_recs\nimport nightly_recs"
    done = run(tmp_path, interactive)
    assert done.stderr == (
        "<string>:2: UserWarning: From now on `import tasks` and `import models` finds a package of nightly_recs, not "
        f"{tmp_path / 'tasks'} or {tmp_path / 'models.py'}. To use both in one process, rename your own.\n"
    )
    (tmp_path / "models.py").unlink()
    (tmp_path / "tasks" / "__init__.py").unlink()
    assert run(tmp_path, interactive).stderr == ""


def test_a_spawned_process_finds_our_packages(tmp_path: Path) -> None:
    put(tmp_path, "models.py", "raise RuntimeError('another project')")
    program = (
        "import nightly_recs\nfrom multiprocessing import get_context\nfrom models.did_you_mean import did_you_mean\n"
        "print(get_context('spawn').Pool(1).apply(did_you_mean, ('ald', ['als'])))"
    )
    assert "als" in run(tmp_path, program).stdout


@pytest.mark.parametrize("entry", [SHOW_HELP])
@pytest.mark.parametrize("other", ["numpy.py", "torch/__init__.py"])
def test_a_module_in_place_of_a_needed_one_is_named(tmp_path: Path, entry: str, other: str) -> None:
    put(tmp_path, other, "raise RuntimeError('another project')")
    done = run(tmp_path, entry)
    assert done.returncode == 2
    named = tmp_path / other.partition("/")[0]
    assert done.stderr == (
        f"Error: {named} of another project hides the installed packages of the same name.\n"
        "Take the folder out of PYTHONPATH for this command: env -u PYTHONPATH recs ...\n"
    )


@pytest.mark.parametrize("other", ["typing_extensions.py", "random.py", "hashlib.py"])
def test_a_module_that_breaks_an_import_is_named(tmp_path: Path, other: str) -> None:
    put(tmp_path, other, "raise RuntimeError('another project')")
    done = run(tmp_path, SHOW_HELP)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {tmp_path / other} of another project hides the installed modules")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("other", ["numpy.dist-info", "mine.py", "code.py"])
def test_modules_that_do_no_harm_are_let_be(tmp_path: Path, other: str) -> None:
    (tmp_path / other).mkdir() if other.endswith("info") else (tmp_path / other).touch()
    if other.endswith("info"):
        (tmp_path / "typer.py").touch()
    program = "from nightly_recs import command; command.refuse_hiding_modules()"
    assert run(tmp_path, program).returncode == 0


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


def put(folder: Path, file: str, text: str = "") -> None:
    """Write a module of another project into a folder."""
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def run(other_project: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with another project in front of ours."""
    environment = {**os.environ, "PYTHONPATH": f"{other_project}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
