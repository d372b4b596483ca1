"""Commands on the serving database between nights. On real lists: tests/flows/test_postgresql_night.py."""

from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.storage.home import open_home
from tests.flows.cli.invoke import invoke


def test_verify_changes_nothing_when_there_are_no_lists(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home").path
    with pytest.raises(UsageError, match="There are no lists in") as caught:
        invoke("verify", "--home", home)
    assert caught.value.hint == f"Publish some with: recs run --home {home}"
    assert not (home / "recommendations.db").exists()
