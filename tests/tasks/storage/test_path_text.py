"""Paths as users write them: `~` is expanded, and what means no path here is refused."""

from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.storage.path_text import parse_path


def test_a_tilde_in_a_path_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/theirs")
    assert parse_path("--home", "~/recs") == Path("/theirs/recs")
    assert parse_path("--home", "~") == Path("/theirs")
    assert parse_path("--home", "~root/recs") == Path("~root").expanduser() / "recs"
    assert parse_path("--home", "a~/b") == Path("a~/b")


@pytest.mark.parametrize("text", ["", " ", "~nobody-of-this-name/recs"])
def test_a_path_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--home"):
        parse_path("--home", text)


@pytest.mark.parametrize(
    ("text", "said", "instead"),
    [
        ("s3://bucket/h", "is a URL", "Mount or copy"),
        ("https://host/ml-25m.zip", "is a URL", "Mount or copy"),
        ("gs:/bucket", "is a URL", "Mount or copy"),
        ("joe@nas:/vol/h", "lies on another machine", "Mount or copy"),
        ("file:///srv/my%20data", "is a URL", "Write the path alone: /srv/my data"),
        ("file:/srv/h", "is a URL", "Write the path alone: /srv/h"),
        ("FILE://localhost/srv/h", "is a URL", "Write the path alone: /srv/h"),
        ("$HOME/h", "holds $HOME,", "Write ~/h or the path in full"),
        ("${HOME}/h", "holds ${HOME},", "Write ~/h or"),
        ("%h/recs", "holds %h,", "Write ~/recs or"),
        ("%USERPROFILE%/h", "holds %USERPROFILE%,", "Write ~/h or"),
        ("/srv/$DAY/h", "holds $DAY,", "Write the path in full"),
        ("$HOME/${DAY:-1}", "holds $HOME,", "Write the path in full"),
        ("$(pwd)/h", "holds $(pwd),", "Write the path in full"),
        (r"C:\data", "is a path of Windows", "/mnt/c"),
        ("C:/data", "is a path of Windows", "/mnt/c"),
        (r"\\server\\share", "is a path of Windows", "/mnt/c"),
        ('"/srv/h"', "is in quotation marks", "Leave them out: /srv/h"),
    ],
)
def test_text_that_is_no_path_here_is_refused(text: str, said: str, instead: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_path("--home", text)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"--home {text} ")
    assert instead in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "100%/h",
        "caf%C3%A9/h",
        "a$/h",
        "price-in-$",
        "2026-01-31T04:00/h",
        "it's",
        "a:b/c",
        "./s3:/h",
        "%20x%20",
    ],
)
def test_odd_names_are_paths(text: str) -> None:
    assert parse_path("--home", text) == Path(text)


def test_an_existing_folder_may_have_a_dollar_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "in$USD"
    with pytest.raises(UsageError, match="USD"):
        parse_path("--dataset", folder)
    folder.mkdir()
    assert parse_path("--dataset", folder) == folder


def test_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(UsageError, match="--home postgresql://…@db/lists is a URL") as refused:
        parse_path("--home", "postgresql://joe:hunter2@db/lists")
    assert "hunter2" not in refused.value.hint
