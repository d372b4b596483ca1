"""The wheel: one top-level package, whose command works beside a user's own modules of the names of ours."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RATINGS = "".join(
    f"{user},{item},4,{1600000000 + user + item}\n" for user in range(30) for item in range(user % 7, 9)
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source."""
    pytest.importorskip("hatchling", reason="make setup installs it")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the wheel; the packages that it needs are those of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(pip, check=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder


def test_a_wheel_has_one_top_level_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"nightly_recs"}
    inside = {name.removeprefix("nightly_recs/_packages/") for name in names}
    source = [
        path.relative_to(ROOT).as_posix()
        for folder in ("flows", "tasks", "models", "sql")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix != ".pyc" and path.is_file()
    ]
    assert set(source) | {"constraints.txt", "pipeline.toml", "nightly_recs/py.typed"} <= inside
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_an_installed_night_runs_beside_own_modules(installed: Path, tmp_path: Path) -> None:
    for name in ("models", "tasks", "flows"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('another project')")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n{RATINGS}")
    assert "Usage: recs" in recs(installed, tmp_path, "--help").stdout
    night = recs(installed, tmp_path, "run", "--dataset", "shop", "--models", "popularity")
    assert "is live." in night.stdout, night.stdout + night.stderr
    shown = recs(installed, tmp_path, "show", "3", "--home", "data/shop")
    assert "User 3" in shown.stdout, shown.stderr


def recs(environment: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder that is first on the import path."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("RECS_", "PREFECT_"))
    }
    return subprocess.run(
        [environment / "bin" / "recs", *arguments],
        cwd=folder, env={**variables, "PYTHONPATH": "."}, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
