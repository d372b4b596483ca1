"""Where artifacts may lie, as the settings say it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tasks.config.engine_settings import EngineSettings
from tasks.config.load import load_settings
from tasks.errors import UsageError


@pytest.mark.parametrize("place", ["", "/shared/recs", "s3://bucket/recs", "abfs://box@account.net/recs"])
def test_a_folder_or_an_address_may_hold_artifacts(place: str) -> None:
    assert EngineSettings(artifacts=place).artifacts == place
    assert EngineSettings(artifacts=f"{place}/" if place else "").artifacts == place


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("shared/recs", "an absolute path"),
        ("s3:/bucket", "an absolute path"),
        ("s3://", "one protocol and a folder"),
        ("://bucket", "one protocol and a folder"),
        ("simplecache::s3://bucket/recs", "one protocol and a folder"),
        ("sftp://me:secret@host/recs", "no password"),
    ],
)
def test_other_places_for_artifacts_are_refused(place: str, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        EngineSettings(artifacts=place)


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(UsageError, match="no password") as caught:
        load_settings(None, ("engine.artifacts=sftp://me:secret@host/recs",))
    assert "given: 'sftp://me:***@host/recs'" in str(caught.value)
    assert "secret" not in str(caught.value) + caught.value.hint


def test_the_cache_of_workers_is_an_absolute_path() -> None:
    assert EngineSettings(cache="/var/tmp/recs").cache == "/var/tmp/recs"
    with pytest.raises(ValidationError, match="an absolute path"):
        EngineSettings(cache="cache")


def test_als_in_blocks_needs_a_folder() -> None:
    assert EngineSettings(kind="ray", als_blocks=2, artifacts="/shared/recs").blocks_of("als") == 2
    with pytest.raises(UsageError, match="als_blocks needs results in a folder"):
        load_settings(None, ("engine.als_blocks=2", "engine.artifacts=s3://bucket/recs"))
