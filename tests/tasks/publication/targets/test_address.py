"""Addresses of serving databases mean what is written, or are refused with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.publication.targets.connect import address_of, open_target
from tasks.storage.sqlite_address import sqlite_address


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let relative paths and `~` lead into the test's own folders."""
    (tmp_path / "q").mkdir()
    (tmp_path / "me").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGOPTIONS", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:///q/app.db", "q/app.db"),
        ("  sqlite:///q/app.db\n", "q/app.db"),
        ("SQLite:///q/app.db", "q/app.db"),
        ("sqlite+pysqlite:///q/app.db", "q/app.db"),
        ("sqlite:///q/../q/app.db", "q/app.db"),
        ("sqlite:///~/app.db", "me/app.db"),
        ("sqlite:///q/a#b.db", "q/a#b.db"),
        ("sqlite:///q/it's 100% ü.db", "q/it's 100% ü.db"),
        ("sqlite:///q/what%3F.db", "q/what?.db"),
        ("sqlite:///q/a%20b.db", "q/a b.db"),
        ("sqlite:///q/%24DAY.db", "q/$DAY.db"),
        ("sqlite:///q/%C3%BC%20%C3%A9.db", "q/ü é.db"),
    ],
)
def test_sqlite_address_opens_the_file_that_is_written(tmp_path: Path, address: str, file: str) -> None:
    with open_target(address, owner="me"):
        pass
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {file}
    assert address_of(address) == sqlite_address(tmp_path / file)


@pytest.mark.parametrize(
    ("address", "said", "instead"),
    [
        ("sqlite://q/app.db", "names a host, 'q'", "sqlite:///q/app.db"),
        ("sqlite:///q/what?.db", "has a question mark", "sqlite:///q/what%3F.db"),
        ("sqlite:///q/app.db?mode=ro&cache=shared", "does not take: mode, cache", "Leave out the ?"),
        ("q/app.db", "is a path", "sqlite:///q/app.db"),
        ("app.db", "is a path", "sqlite:///app.db"),
        ("/srv/app.db", "is a path", "sqlite:////srv/app.db"),
        ("~/app.db", "is a path", "sqlite:///~/app.db"),
        ("sqlite:/srv/app.db", "is a path", "sqlite:////srv/app.db"),
        ("sqlite:app.db", "is a path", "sqlite:///app.db"),
        ("file:q/app.db?mode=rwc", "a file: URI", "sqlite:///q/app.db"),
        ("file:///srv/my%20app.db", "a file: URI", "sqlite:////srv/my%20app.db"),
        ("sqlite:///file:q/app.db", "a file: URI", "sqlite:///q/app.db"),
        (r"C:\data\app.db", "a path of Windows", "sqlite:////mnt/c"),
        ("sqlite:///C:/data/app.db", "a path of Windows", "sqlite:////mnt/c"),
        (r"sqlite:///C:\data\app.db", "a path of Windows", "sqlite:////mnt/c"),
        (r"\\\\server\share\app.db", "a path of Windows", "sqlite:////mnt/c"),
        ("'sqlite:///q/app.db'", "a quotation mark", "without the marks"),
        ("sqlite:///~nobody-here/app.db", "is not known", "sqlite:////folder"),
        ("sqlite:///q", "is a folder", "q/recommendations.db"),
        ("sqlite:///none/app.db", "none does not exist", "Make it"),
        ("$HOME/x.db", "holds a variable", "sqlite:///~/x.db"),
        ("${HOME}/x.db", "holds a variable", "sqlite:///~/x.db"),
        ("sqlite:///$HOME/x.db", "holds a variable", "sqlite:///~/x.db"),
        ("sqlite:////${HOME}/x.db", "holds a variable", "sqlite:///~/x.db"),
        ("sqlite:///%USERPROFILE%/x.db", "holds a variable", "sqlite:///~/x.db"),
        ("sqlite:///q/$DAY.db", "holds a variable", "written %24"),
        ("$DATABASE_URL", "holds a variable", "the address in full"),
        ("postgresql://joe:hunter2@$DB_HOST/lists", "holds a variable", "the address in full"),
        ("postgresql://${DB_USER}:hunter2@db/lists", "holds a variable", "the address in full"),
        ("postgresql://joe:${DB_PASSWORD}@db/lists", "holds a variable", "the address in full"),
        ("jdbc:postgresql://db/lists", "jdbc:", "postgresql://user:password@"),
        ("host=db dbname=lists password=hunter2", "libpq's keywords", "postgresql://user:password@"),
    ],
)
def test_other_address_is_refused_with_what_to_write(
    tmp_path: Path, address: str, said: str, instead: str
) -> None:
    with pytest.raises(UsageError, match=said) as refused, open_target(address, owner="me"):
        pass
    assert instead in refused.value.hint
    assert "hunter2" not in str(refused.value) + refused.value.hint
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_path_that_exists_only_undecoded_is_refused(tmp_path: Path) -> None:
    """Somebody wrote the path as it is, and `%20` in an address stands for a blank."""
    (tmp_path / "100%20 ü").mkdir()
    with pytest.raises(UsageError, match=r"stands for the path '100  ü/app\.db'") as refused:
        address_of("sqlite:///100%20 ü/app.db")
    assert refused.value.hint.endswith("sqlite:///100%2520%20%C3%BC/app.db")
    with open_target("sqlite:///100%2520%20%C3%BC/app.db", owner="me"):
        assert (tmp_path / "100%20 ü" / "app.db").is_file()


@pytest.mark.parametrize("text", ["joe:hunter2/lists", "joe:hunter2@db/lists", "hunter2"])
def test_text_that_may_hold_a_password_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="is no database URL") as refused:
        address_of(text)
    assert "hunter2" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    ("address", "identity"),
    [
        ("postgresql://joe:hunter2@db/lists", "postgresql://db:5432/lists"),
        ("postgres://ann@db:5432/lists", "postgresql://db:5432/lists"),
        ("postgresql+asyncpg://joe:hunter2@db/lists?sslmode=require", "postgresql://db:5432/lists"),
        ("postgresql://joe:hunter2@db", "postgresql://db:5432/joe"),
        (
            "postgresql://db:6000/lists?options=-csearch_path%3Drecs&password=hunter2",
            "postgresql://db:6000/lists?options=-csearch_path%3Drecs",
        ),
        ("postgresql:///lists?host=/run/pg", "postgresql:///lists?host=%2Frun%2Fpg&port=5432"),
        ("postgresql:///lists", "postgresql://localhost:5432/lists"),
        ("postgresql://joe:$ecret@db/lists", "postgresql://db:5432/lists"),
    ],
)
def test_postgresql_database_is_known_without_user_and_password(address: str, identity: str) -> None:
    assert address_of(address) == identity


def test_libpq_variables_belong_to_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db")
    monkeypatch.setenv("PGDATABASE", "lists")
    assert address_of("postgresql://") == "postgresql://db:5432/lists"
