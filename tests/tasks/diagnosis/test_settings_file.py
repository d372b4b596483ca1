"""The settings file, and the address for messages, whose value is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.diagnosis.settings_file import NOTIFY, examine_notify, read_settings


def test_wrong_settings_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings, found = read_settings(None)
    assert (found.verdict, settings is None) == ("OK", False)
    assert "the defaults count" in found.seen
    file = tmp_path / "pipeline.toml"
    file.write_text("[run]\nseed = 3\n")
    settings, found = read_settings(None)
    assert (found.verdict, settings and settings.run.seed) == ("OK", 3)
    file.write_text("[run]\nsede = 3\n")
    settings, found = read_settings(file)
    assert (found.verdict, settings) == ("bad", None)
    assert "sede" in found.seen


@pytest.mark.parametrize(
    ("environment", "verdict"),
    [({}, "look"), ({NOTIFY: "  "}, "bad"), ({NOTIFY: "mailto://user:hunter2@host"}, "OK")],
)
def test_address_for_messages_is_seen_but_not_shown(environment: dict[str, str], verdict: str) -> None:
    found = examine_notify(environment)
    assert found.verdict == verdict
    assert "hunter2" not in f"{found.seen} {found.advice}"
