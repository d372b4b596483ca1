"""The tracker of Weights & Biases without an API key: runs are files in the home."""

import pytest

from tasks.tracking.tracker import send
from tasks.tracking.trackers.wandb import WeightsAndBiases, _has_key
from tests.tasks.tracking.recorded import fit_of, night_of


@pytest.fixture(autouse=True)
def without_key(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture
def wandb():
    """Return W&B itself; a test without it is skipped."""
    return pytest.importorskip(
        "wandb", reason="Weights & Biases is an extra: pip install 'nightly-recs[wandb]'"
    )


def test_a_night_without_an_api_key_is_written_to_the_home(wandb, tmp_path):
    night = night_of(tmp_path, fit_of("als"))
    send(night, WeightsAndBiases("wandb:", night.experiment, tmp_path))
    folders = list((tmp_path / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    written = b"".join(file.read_bytes() for folder in folders for file in folder.glob("*.wandb"))
    for text in (
        b"20261121050000 als",
        b"nightly-recs-demo-0123abcd",
        b"ndcg_at_10",
        b"factors",
        b"published",
    ):
        assert text in written


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("wandb:team/films", ("team", "films")),
        ("wandb:films", (None, "films")),
        ("wandb://films", (None, "films")),
        ("wandb:", (None, "nightly-recs-demo-1")),
    ],
)
def test_the_address_names_the_project(wandb, tmp_path, uri, expected):
    tracker = WeightsAndBiases(uri, "nightly-recs demo 1", tmp_path)
    assert (tracker._entity, tracker._project) == expected
    assert tracker._mode == "offline"


def test_a_key_is_found_where_wandb_looks_for_it(monkeypatch, tmp_path):
    assert not _has_key()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    assert _has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org:8080")
    assert not _has_key()
    (tmp_path / "netrc").write_text("no netrc")
    assert not _has_key()
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert _has_key()
