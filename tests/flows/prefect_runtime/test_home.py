"""Prefect's settings for a home: its files stay there, and nothing is read of other projects."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.prefect_runtime import home as prefect_home
from tests.flows.prefect_runtime.environment import ROOT, without_prefect

IMPORT = """
import json, sys
from pathlib import Path
from flows.prefect_runtime.home import configure_prefect, import_prefect, refresh_settings
configure_prefect(Path(sys.argv[1]), debug=False)
import_prefect()
refresh_settings()
from prefect.settings import get_current_settings
settings = get_current_settings()
print(json.dumps([settings.api.url, str(settings.home), settings.api.request_timeout]))
"""


def test_a_configured_prefect_home_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {**os.environ, "PREFECT_HOME": "theirs"})
    prefect_home.configure_prefect(tmp_path, debug=True)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "theirs")
    assert not (tmp_path / "prefect.db").exists()


def test_a_new_home_has_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", without_prefect())
    prefect_home.configure_prefect(tmp_path, debug=False)
    assert os.environ["PREFECT_HOME"] == str(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["prefect.db"]


def test_a_user_without_home_directory_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(os, "environ", without_prefect())
    monkeypatch.setattr(Path, "home", no_home)
    prefect_home.configure_prefect(tmp_path, debug=False)
    assert os.environ["HOME"] == str(tmp_path)


def test_a_named_profile_is_read_from_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", without_prefect(PREFECT_PROFILE="work", HOME="/theirs"))
    prefect_home.configure_prefect(tmp_path, debug=False)
    assert os.environ["PREFECT_PROFILES_PATH"] == "/theirs/.prefect/profiles.toml"


def test_settings_of_another_project_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PREFECT_API_URL=http://a/api\nPREFECT_API_REQUEST_TIMEOUT=soon\n")
    (tmp_path / "prefect.toml").write_text('[api]\nurl = "http://b/api"\n')
    (tmp_path / "pyproject.toml").write_text('[tool.prefect.api]\nurl = "http://c/api"\n')
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-c", IMPORT, "home"]
    environment = without_prefect(PYTHONPATH=str(ROOT))
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout) == [None, str(home), 60.0]


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        (
            "PREFECT_LOGGING_LEVEL",
            "banana",
            " says 'banana', and is not what Prefect takes: Input should be 'DEBUG'",
        ),
        (
            "PREFECT_API_REQUEST_TIMEOUT",
            "soon",
            " says 'soon', and is not what Prefect takes: Input should be a valid",
        ),
    ],
)
def test_a_variable_that_prefect_refuses_is_named(
    tmp_path: Path, variable: str, value: str, shown: str
) -> None:
    home = tmp_path / "not" / "yet"
    environment = without_prefect(PYTHONPATH=str(ROOT), PREFECT_HOME=str(home), **{variable: value})
    command = [sys.executable, "-c", IMPORT, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"tasks.errors.NightError: The environment variable {variable}{shown}")
    assert "Failed to initialize plugins" not in done.stderr
