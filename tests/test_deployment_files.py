"""The files for containers and CI: what they copy exists, and what they run is a command."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from flows.cli.app import app

ROOT = Path(__file__).parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_every_copied_file_exists_and_is_not_ignored() -> None:
    sources = [path for line in re.findall(r"(?m)^COPY (.+)$", CONTAINERFILE) for path in line.split()[:-1]]
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8")
    assert sources
    for path in sources:
        assert (ROOT / path).exists(), path
        assert f"\n!{path}\n" in ignored, path
    assert ignored == (ROOT / ".dockerignore").read_text(encoding="utf-8")


def test_the_image_runs_as_an_ordinary_user() -> None:
    assert re.findall(r"(?m)^USER (\S+)$", CONTAINERFILE) == ["recs"]


def test_commands_of_recs_have_the_options_they_are_given() -> None:
    commands = [
        service["command"] for service in SERVICES.values() if service.get("command", [""])[0] == "recs"
    ]
    known = get_command(app).commands  # type: ignore[attr-defined]
    assert commands
    for _, name, *arguments in commands:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {each for each in arguments if each.startswith("--")} <= options


def test_services_that_stay_have_health_checks() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] == "on-failure" or "healthcheck" in service, name
        assert service.get("depends_on", {}).keys() <= SERVICES.keys()


def test_no_secret_stands_in_a_file() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|URL$", variable) and "PREFECT" not in variable:
                assert "${" in value, variable


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_workflow_runs_the_check_of_ci_on(version: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert version in job["strategy"]["matrix"]["python"]
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]
    assert (ROOT / ".ci" / "run").is_file()
