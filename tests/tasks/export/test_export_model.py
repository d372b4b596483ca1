"""The files of an export, their manifest, and what happens when one cannot be written."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.new_users import NewUsers
from tasks.errors import NightError, UsageError
from tasks.export.export_model import export_model
from tasks.reporting.find_model import EXPORT, FoundModel, find_model
from tasks.storage.home import Home
from tasks.training.load_model import load_model
from tests.models.contract import N_ITEMS, UNTOUCHED_ITEM
from tests.models.export.fitted import fitted
from tests.tasks.export.stored import JUDGED, home_with_run, without_onnx

EXTRA = "an extra: pip install 'nightly-recs[{}]'"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, int]:
    return home_with_run(tmp_path_factory.mktemp("export"))


def found(stored: tuple[Home, int], model: str) -> FoundModel:
    return find_model(*stored, model, EXPORT)


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def test_files_are_described_by_the_manifest(stored, tmp_path, monkeypatch) -> None:
    without_onnx(monkeypatch)
    folder = tmp_path / "new" / "als"
    exported = export_model(found(stored, "als"), folder)
    about = manifest(folder)
    assert (about["format"], about["model"], about["run_id"]) == (1, "als", stored[1])
    assert (about["snapshot"], about["fitted_on"], about["config"]["factors"]) == ("all", "everything", 8)
    assert about["encoder"]["inputs"][0] | {"meaning": ""} == {
        "name": "items", "shape": ["batch", "length"], "dtype": "int64", "meaning": "",
    }  # fmt: skip
    assert about["encoder"]["outputs"][0]["shape"] == ["batch", 8]
    assert about["history"]["order"] == "does not matter"
    assert about["scoring"]["item_vectors"] == "item_vectors.npy"
    assert about["check"] == {"users": 59, "greatest_difference": exported.check.greatest_difference}
    assert exported.check.greatest_difference < 1e-5
    assert {"torch", "numpy"} <= about["versions"].keys()
    assert about["files"].keys() == {path.name for path in folder.iterdir()} - {"manifest.json"}
    for name, digest in about["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert exported.files["item_vectors.npy"] == (folder / "item_vectors.npy").stat().st_size


def test_rows_have_ids_and_titles(stored, tmp_path, monkeypatch) -> None:
    without_onnx(monkeypatch)
    export_model(found(stored, "als"), tmp_path / "als")
    items = pq.read_table(tmp_path / "als" / "items.parquet").to_pylist()
    assert [item["row"] for item in items] == list(range(N_ITEMS))
    assert items[2] == {"row": 2, "item_id": "i2", "is_known": True, "title": "Two"}
    assert [items[n]["title"] for n in (0, 1, 3)] == ["None", None, None]
    assert [item["row"] for item in items if not item["is_known"]] == [UNTOUCHED_ITEM]


def test_unknown_items_have_no_score(stored, tmp_path, monkeypatch) -> None:
    network = without_onnx(monkeypatch)
    export_model(found(stored, "als"), tmp_path / "als")
    bias = np.load(tmp_path / "als" / "item_bias.npy")
    assert np.flatnonzero(~np.isfinite(bias)).tolist() == [UNTOUCHED_ITEM]
    user = network.run(tmp_path / "als" / "user_encoder.onnx", {"items": np.array([[3, 9]])})
    scores = user @ np.load(tmp_path / "als" / "item_vectors.npy").T + bias
    expected = fitted("als").recommend_for([[2, 8]], 5)
    scores[0, [2, 8]] = -np.inf
    assert np.argsort(-scores[0])[:5].tolist() == expected.items[0].tolist()


def test_neumf_has_a_scorer_in_place_of_vectors(stored, tmp_path, monkeypatch) -> None:
    without_onnx(monkeypatch)
    exported = export_model(found(stored, "neumf"), tmp_path / "neumf")
    assert exported.files.keys() == {"items.parquet", "manifest.json", "scorer.onnx", "user_encoder.onnx"}
    about = manifest(tmp_path / "neumf")
    assert about["scoring"]["kind"] == "scorer"
    assert [each["name"] for each in about["scorer"]["inputs"]] == ["user", "candidates"]
    with pytest.raises(UsageError, match="neumf has no vectors for an index"):
        export_model(found(stored, "neumf"), tmp_path / "ann", ann=True)
    assert not (tmp_path / "ann").exists()


def test_two_tower_reads_context_too(stored, tmp_path, monkeypatch) -> None:
    without_onnx(monkeypatch)
    export_model(found(stored, "two_tower"), tmp_path / "tower")
    about = manifest(tmp_path / "tower")
    assert [each["name"] for each in about["context_encoder"]["inputs"]] == ["items", "recent", "clock"]
    assert about["context"] == {"days": 7.0, "most": 20}


def test_a_judged_model_is_exported_with_a_note(stored, tmp_path, monkeypatch) -> None:
    without_onnx(monkeypatch)
    judged = found(stored, JUDGED)
    assert "does not know the newest data" in judged.note
    assert found(stored, "als").note == ""
    export_model(judged, tmp_path / "judged")
    about = manifest(tmp_path / "judged")
    assert (about["fitted_on"], about["snapshot"]) == ("before the cut", "judged")
    assert (about["history"]["order"], about["history"]["latest"]) == ("oldest first", 20)


def test_wrong_files_are_not_kept(stored, tmp_path, monkeypatch) -> None:
    network = without_onnx(monkeypatch)
    run = network.run
    monkeypatch.setattr("tasks.export.export_model._run", lambda *given: run(*given) + 1)
    with pytest.raises(NightError, match="files do not score as the model does"):
        export_model(found(stored, "als"), tmp_path / "als")
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_nothing_behind(stored, tmp_path, monkeypatch) -> None:
    def too_large(*given) -> None:
        raise ValueError("user_encoder.onnx would have 3.0 GB")

    monkeypatch.setattr("tasks.export.export_model.write_onnx", too_large)
    with pytest.raises(UsageError, match=r"als: user_encoder\.onnx would have 3\.0 GB\."):
        export_model(found(stored, "als"), tmp_path / "als")
    assert list(tmp_path.iterdir()) == []


def test_an_occupied_folder_stays_as_it_is(stored, tmp_path, monkeypatch) -> None:
    without_onnx(monkeypatch)
    (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"is not empty: it holds kept\.txt"):
        export_model(found(stored, "als"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_models_of_an_earlier_version_are_refused(stored, tmp_path, monkeypatch) -> None:
    without_onnx(monkeypatch)
    older = found(stored, "als")
    monkeypatch.setattr("tasks.export.export_model.load_model", lambda fit: _without(fit, "fold_in_map_"))
    with pytest.raises(UsageError, match="als was fitted by an earlier version"):
        export_model(older, tmp_path / "als")


def _without(fit, name: str):
    model = load_model(fit)
    delattr(model, name)
    return model


def test_the_application_of_the_page_lists_the_same(stored, tmp_path) -> None:
    """Run the program in docs/realtime.md on real files."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=EXTRA.format("onnx"))
    exported = export_model(found(stored, "als"), tmp_path / "als")
    assert exported.check.users == 59
    assert exported.check.greatest_difference < 1e-5
    page = (Path(__file__).parents[3] / "docs" / "realtime.md").read_text(encoding="utf-8")
    program, *_ = re.findall(r"(?s)```python\n(.+?)```", page)
    names = {"__name__": "realtime"}
    exec(compile(program, "realtime.md", "exec"), names)
    application = names["Recommender"](tmp_path / "als")
    listed = application.list_for(["i2", "no such item", "i8"], 5)
    expected = fitted("als").recommend_for([[2, 8]], 5)
    assert [place["row"] for place in listed] == expected.items[0].tolist()
    assert [place["score"] for place in listed] == pytest.approx(expected.scores[0].tolist(), abs=1e-5)
    assert len(application.list_for(["i2"], 1000)) == fitted("als").known_items_.sum() - 1
    assert application.list_for(["no such item"]) == application.list_for([]) == []


def test_an_index_is_measured_and_described(stored, tmp_path, monkeypatch) -> None:
    faiss = pytest.importorskip("faiss", reason=EXTRA.format("ann"))
    network = without_onnx(monkeypatch)
    exported = export_model(found(stored, "two_tower"), tmp_path / "tower", ann=True)
    assert exported.index is not None
    assert exported.index.recall >= 0.95
    about = manifest(tmp_path / "tower")
    assert about["ann"]["recall@100"] == pytest.approx(exported.index.recall, abs=1e-4)
    index = faiss.read_index(str(tmp_path / "tower" / "items.faiss"))
    user = network.run(tmp_path / "tower" / "user_encoder.onnx", {"items": np.array([[3, 9]])})
    _, rows = index.search(np.column_stack([user, [1]]).astype(np.float32), 3)
    new = fitted("two_tower").fold_in(NewUsers.of([[2, 8]], N_ITEMS))
    assert rows.tolist() == new.recommend(np.array([0]), 3).items.tolist()
