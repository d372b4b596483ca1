"""`recs deploy` refuses what could not run, in one sentence, before it makes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli.deploy import _zone
from flows.prefect_runtime import deployment
from tasks.errors import NightError, UsageError
from tests.flows.cli.invoke import invoke


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No Prefect server is named: neither PREFECT_API_URL nor PREFECT_PROFILE is set"),
        (["--cron", "0 2 * *"], "has 4 fields, not five"),
        (["--cron", "99 2 * * *"], "its minute is wrong"),
        (["--timezone", "Mars"], "--timezone 'Mars' is not a time zone"),
        (["--timezone", "../etc"], "is not a time zone"),
        (["--dataset", "nowhere"], "There is no data set 'nowhere'"),
        (["--models", "banana"], "There is no model 'banana'"),
        (["--set", "run.seed"], "is not of the form section.key=value"),
        (["--config", "none.toml"], "The settings file none.toml cannot be read"),
    ],
)
def test_bad_input_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=message):
        invoke("deploy", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_time_zone_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert (_zone(None), _zone("Asia/Tokyo")) == ("Europe/Berlin", "Asia/Tokyo")


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise NightError("Prefect's API at http://127.0.0.1:9/api cannot be used: refused.")

    monkeypatch.setattr(deployment.PREFECT_API_URL, "value", lambda: "http://127.0.0.1:9/api")
    monkeypatch.setattr(deployment, "require_api", refused)
    with pytest.raises(NightError, match="cannot be used"):
        deployment.create_deployment("demo", pool="p", cron="0 2 * * *", timezone="UTC", parameters={})
