"""A home takes over the database of a lost home, or moves to another database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.publication.adoption import Adopted, adopt, move_target
from tasks.publication.publish import publish
from tasks.publication.targets.connect import open_target
from tasks.publication.targets.ownership import OwnedDatabase
from tasks.storage.home import Home, open_home
from tests.tasks.publication.published_lists import BIGINTS, OWNER, TEXTS, make_lists
from tests.tasks.serving import Serving


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home("demo", tmp_path / "home")


def published(serving: Serving) -> Settings:
    """Publish run 7 from a home that is lost then; return settings that name the database."""
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        publish(target, 7, make_lists(serving.folder / "lists", 7), expected_live=None, keep_runs=3)
    return Settings(publish={"url": serving.url})


def test_lost_homes_database_is_taken_over_with_its_lists(serving: Serving, home: Home) -> None:
    settings = published(serving)
    with (
        pytest.raises(UsageError, match="belongs to another home") as refused,
        open_target(serving.url, owner=home.owner),
    ):
        pass
    assert refused.value.hint.endswith("this one can take its database over: recs adopt")
    asked: list[Adopted] = []
    done = adopt(home, settings, lambda found: not asked.append(found))
    assert asked == [done]
    assert done is not None
    assert (done.owner, done.live, done.runs) == (OWNER, 7, 1)
    assert home.id_types() == ("BIGINT", "BIGINT")
    with open_target(serving.url, owner=home.owner) as target:
        assert target.live_run() == 7
        publish(target, 8, make_lists(serving.folder / "more", 8), expected_live=7, keep_runs=3)
        assert target.live_run() == 8
    with pytest.raises(UsageError, match=f"belongs to another home \\({home.owner}\\)"), serving.opened():
        pass


def test_nothing_is_taken_over_without_consent(serving: Serving, home: Home) -> None:
    assert adopt(home, published(serving), lambda _: False) is None
    assert (home.target, home.id_types()) == (None, None)
    with serving.opened() as target:
        assert target.live_run() == 7


def test_only_another_homes_database_can_be_adopted(serving: Serving, home: Home) -> None:
    settings = Settings(publish={"url": serving.url})
    with pytest.raises(UsageError, match="belongs to no home yet"):
        adopt(home, settings, lambda _: True)
    with open_target(serving.url, owner=home.owner) as target:
        target.ensure_schema(BIGINTS)
    with pytest.raises(UsageError, match="belongs to this home already"):
        adopt(home, settings, lambda _: True)


def test_database_with_other_id_types_cannot_be_adopted(serving: Serving, home: Home) -> None:
    home.fix_id_types(*TEXTS)
    with pytest.raises(UsageError, match="BIGINT user ids and BIGINT item ids, but this home has TEXT"):
        adopt(home, published(serving), lambda _: True)


def test_older_database_is_upgraded_when_it_is_adopted(serving: Serving, home: Home) -> None:
    settings = published(serving)
    serving.execute("update schema_version set version = 1")
    assert adopt(home, settings, lambda _: True) is not None
    with open_target(serving.url, owner=home.owner) as target:
        assert isinstance(target, OwnedDatabase)
        assert target.live_run() == 7


def test_home_moves_to_the_database_that_is_set(tmp_path: Path, home: Home) -> None:
    home.remember_target(home.default_url)
    address = f"sqlite:///{tmp_path}/app.db"
    assert move_target(home, Settings(publish={"url": address})) == (home.default_url, address)
    assert home.target == address
    assert move_target(home, Settings()) == (address, home.default_url)
    assert not (tmp_path / "app.db").exists()
