"""`recs export`: which model of which run, and what it says."""

from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.export import extras
from tasks.publication.errors import NoListsError
from tasks.storage.home import Home
from tests.flows.cli.invoke import invoke
from tests.tasks.export.stored import home_with_run, without_onnx


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, int]:
    return home_with_run(tmp_path_factory.mktemp("export"))


def test_export_embeddings_lists_its_files(stored, tmp_path: Path) -> None:
    home, run_id = stored
    shown = invoke("export-embeddings", "als", "--run", run_id, "--home", home.path)
    assert f"als of run {run_id}, vectors of 8 numbers, in" in shown
    assert "39 items" in shown
    assert "59 users" in shown
    assert (home.path / "exports" / f"als-embeddings-{run_id}" / "users.parquet").exists()
    neumf = invoke(
        "export-embeddings", "neumf", "--run", run_id, "--home", home.path, "--out", tmp_path / "x"
    )
    assert "The scores of neumf are no products of these vectors" in neumf
    judged = invoke(
        "export-embeddings", "sasrec", "--run", run_id, "--home", home.path, "--out", tmp_path / "y"
    )
    assert "does not know the newest data" in judged
    with pytest.raises(UsageError, match="ease has no vectors"):
        invoke("export-embeddings", "ease", "--home", tmp_path / "nowhere")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every extra seems to be installed."""
    without_onnx(monkeypatch)
    monkeypatch.setattr(extras, "find_spec", lambda name: name)


def test_export_lists_its_files(stored, installed, tmp_path: Path) -> None:
    home, run_id = stored
    given = ("--run", run_id, "--home", home.path)
    shown = invoke("export", "als", "--out", tmp_path / "als", *given)
    assert f"als of run {run_id}, in {tmp_path / 'als'}" in shown
    assert "item_vectors.npy" in shown
    assert "differ from the model's by at most" in shown
    invoke("export", "als", "--format", "ONNX", *given)
    assert (home.path / "exports" / f"als-{run_id}" / "manifest.json").exists()


def test_an_absent_extra_is_named_with_its_command(stored, monkeypatch) -> None:
    home, run_id = stored
    given = ("export", "als", "--ann", "--run", run_id, "--home", home.path)
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(UsageError, match="recs export needs onnxscript, which is not installed") as raised:
        invoke(*given)
    assert raised.value.hint == "Install it with: pip install 'nightly-recs[onnx]'"
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "faiss" else name)
    with pytest.raises(UsageError, match="--ann needs faiss") as raised:
        invoke(*given)
    assert "nightly-recs[ann]" in raised.value.hint


def test_wrong_requests_are_refused(stored, installed, tmp_path: Path) -> None:
    home, _ = stored
    with pytest.raises(UsageError, match=r"--format takes onnx \(given: pmml\)"):
        invoke("export", "als", "--format", "pmml", "--home", home.path)
    with pytest.raises(UsageError, match="item_knn cannot be exported"):
        invoke("export", "item_knn", "--home", home.path)
    with pytest.raises(UsageError, match="There is no home at"):
        invoke("export", "als", "--home", tmp_path / "nowhere")
    with pytest.raises(NoListsError, match="There are no lists in"):
        invoke("export", "als", "--home", home.path)
