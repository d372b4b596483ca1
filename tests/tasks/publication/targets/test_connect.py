"""Addresses of serving databases: which are supported, and that passwords stay secret."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from tasks.config.settings import Settings
from tasks.errors import TransientError, UsageError
from tasks.publication.targets.connect import address_of, known_targets, open_target, serving_url
from tasks.publication.targets.postgresql import PostgreSQLTarget
from tasks.publication.targets.sqlite import SQLiteTarget
from tasks.storage.home import open_home


def test_the_targets_of_the_folder_are_known() -> None:
    assert {PostgreSQLTarget, SQLiteTarget} <= {*known_targets()}


@pytest.mark.parametrize(
    "address",
    [
        "mysql://joe:hunter2@db/lists",
        "mssql+pyodbc://joe:hunter2@db/x",
        "joe:hunter2@db",
        "redis://:hunter2@db",
        "mysql://joe:se@hunter2@db/lists",
        "postgresql://joe@127.0.0.1:hunter2/x",
        "",
    ],
)
def test_an_unsupported_address_is_refused_without_password(address: str) -> None:
    with pytest.raises(UsageError) as refused, open_target(address, owner="me"):
        pass
    assert "sqlite:///" in refused.value.hint
    assert "postgresql://" in refused.value.hint
    output = "".join(traceback.format_exception(refused.value))
    assert "hunter2" not in output + refused.value.hint


@pytest.mark.parametrize("password", ["se@hunter2", "se@hun/hunter2", "a@b@hunter2"])
def test_a_password_with_an_unquoted_at_sign_is_refused(password: str) -> None:
    with pytest.raises(UsageError, match="an @ too many") as refused:
        open_target(f"postgresql://joe:{password}@127.0.0.1:1/x", owner="me").__enter__()
    assert "%40" in refused.value.hint
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="names no file"), open_target(address, owner="me"):
        pass


def test_the_scheme_postgres_means_postgresql() -> None:
    with (
        pytest.raises(TransientError, match=r"postgresql://127\.0\.0\.1:1/x cannot be reached"),
        open_target("postgres://joe:hunter2@127.0.0.1:1/x", owner="me"),
    ):
        pass


def test_lists_go_to_the_configured_address_or_into_the_home(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home")
    assert serving_url(home, Settings()) == home.default_url
    address = "postgresql://joe:hunter2@db/lists"
    assert serving_url(home, Settings(publish={"url": address})) == address


def settings(address: str) -> Settings:
    return Settings(publish={"url": address})


def test_home_refuses_another_database_than_it_remembers(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home")
    home.remember_target("postgresql://db:5432/lists")
    same = "postgres://ann:hunter2@db/lists"
    assert serving_url(home, settings(same)) == same
    for other in ("postgresql://joe:hunter2@db2/lists", f"sqlite:///{tmp_path}/app.db"):
        with pytest.raises(UsageError, match="are published to postgresql://db:5432/lists") as refused:
            serving_url(home, settings(other))
        assert f"recs target --move --home {home.path}" in refused.value.hint
        assert "hunter2" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize("variable", [None, "", "  "])
def test_forgotten_variable_is_named_with_the_database(tmp_path: Path, variable: str | None) -> None:
    home = open_home("demo", tmp_path / "home")
    home.remember_target("postgresql://db:5432/lists")
    with pytest.raises(UsageError) as refused:
        serving_url(home, Settings() if variable is None else settings(variable))
    assert str(refused.value).startswith("RECS_PUBLISH__URL is not set, but the lists of the home")
    assert "postgresql://db:5432/lists" in str(refused.value)
    assert "cron" in refused.value.hint


def test_home_that_publishes_to_its_own_file_may_move(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "a home's")
    home.remember_target(home.default_url)
    assert home.target == home.default_url
    with pytest.raises(UsageError, match="names postgresql://db:5432/x, but the lists"):
        serving_url(home, settings("postgresql://db/x"))
    home.path.rename(tmp_path / "moved")
    moved = open_home("demo", tmp_path / "moved")
    assert moved.target == moved.default_url == serving_url(moved, Settings())


def test_two_paths_to_one_file_are_one_database(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home")
    (tmp_path / "link").symlink_to(tmp_path)
    home.remember_target(address_of(f"sqlite:///{tmp_path}/app.db"))
    linked = f"sqlite:///{tmp_path}/link/app.db"
    assert serving_url(home, settings(linked)) == linked
