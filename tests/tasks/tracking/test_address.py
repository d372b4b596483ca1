"""Addresses of trackers: the product that each means, and its secrets, which are not shown."""

import pytest

from tasks.errors import UsageError
from tasks.tracking.address import known_trackers, shown, tracker_of, without_secrets


@pytest.mark.parametrize(
    ("uri", "title"),
    [
        ("sqlite:///mlflow.db", "MLflow"),
        ("SQLite:////srv/mlflow.db", "MLflow"),
        ("http://host:5000", "MLflow"),
        ("postgresql+psycopg://u:p@host/db", "MLflow"),
        ("wandb:team/project", "Weights & Biases"),
        ("wandb:", "Weights & Biases"),
    ],
)
def test_the_scheme_chooses_the_tracker(uri, title):
    assert tracker_of(uri).title == title


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mlflow.db", "tracking.uri has no scheme"),
        ("./mlruns", "tracking.uri has no scheme"),
        ("file:///srv/mlruns", "tracking.uri begins with 'file:'"),
        ("mlfow://x", "tracking.uri begins with 'mlfow:'"),
        ("user:hunter2@host:5000", "tracking.uri begins with 'user:'"),
        ("hunter2@host:5000", "tracking.uri has no scheme"),
    ],
)
def test_an_unknown_address_is_refused_with_the_known_ones(uri, message):
    with pytest.raises(UsageError) as caught:
        tracker_of(uri)
    assert str(caught.value).startswith(f"{message}, but these are known: sqlite:, ")
    assert "wandb: for Weights & Biases" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_tracker_says_how_it_is_installed():
    assert {(kind.package, kind.extra) for kind in known_trackers()} == {
        ("mlflow", "mlflow"),
        ("wandb", "wandb"),
    }


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://host:5000/path", "http://host:5000/path"),
        ("https://me:hunter2@host/x?token=hunter2", "https://host/x"),
        ("http://me:hunt/er?2@x@host:5000", "http://host:5000"),
        ("sqlite:////srv/a@b/m.db", "sqlite:////srv/a@b/m.db"),
        ("wandb:team/project", "wandb:team/project"),
    ],
)
def test_an_address_is_shown_without_secrets(uri, expected):
    assert shown(uri) == expected


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach https://me:hunt%2Fer2@host/x?token=abcdefgh",
        "host refused hunt/er2",
        "host refused hunt%2Fer2 of me",
        "url: /x?token=abcdefgh",
        "https://other:hunt@host/y",
        "key sesame-key was refused",
    ],
)
def test_an_error_repeats_no_secret(monkeypatch, text):
    monkeypatch.setenv("WANDB_API_KEY", "sesame-key")
    found = without_secrets(text, "https://me:hunt%2Fer2@host/x?token=abcdefgh")
    assert not any(secret in found for secret in ("hunt", "abcdefgh", "sesame"))


def test_an_error_is_cut_to_its_first_line():
    assert without_secrets("\n  It broke.\nHere is where", "http://host") == "It broke"
    assert len(without_secrets("x" * 5000, "http://host")) == 301
