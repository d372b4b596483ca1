"""Files of ONNX compute what torch computes, at any batch size and length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.export.onnx_file import MOST_BYTES, Axes, write_onnx
from models.retrieval.visits import N_CLOCK
from tests.models.contract import N_ITEMS
from tests.models.export.fitted import CONFIGS
from tests.models.export.test_encoders import SHAPES, everything, exported, histories, product, scores_of

EXTRA = "ONNX is an extra: pip install 'nightly-recs[onnx]'"
ALIKE = ("bpr", "lightgcn", "mf", "neumf gmf", "neumf mlp", "neumf rating", "caser")
"""Cases whose graphs are parts of others', or alike: an export takes seconds."""
ITEMS = Axes(("batch", "length"), torch.int64)


@pytest.fixture(autouse=True)
def onnx_is_installed() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=EXTRA)


class OnnxFile:
    """A network, and the file of it as onnxruntime runs it."""

    def __init__(self, network: nn.Module, inputs: dict[str, Axes], path: Path) -> None:
        onnxruntime = pytest.importorskip("onnxruntime", reason=EXTRA)
        write_onnx(network, inputs, "found", path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.network, self.inputs = network, inputs
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, *inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return what the file computes, which is what torch computes."""
        with torch.no_grad():
            expected = self.network(*map(torch.from_numpy, inputs)).numpy()
        found = self.session.run(None, dict(zip(self.inputs, inputs, strict=True)))[0]
        assert found.dtype == np.float32
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case in ALIKE else case for case in CONFIGS]
)
def test_files_score_as_the_model_does(case: str, folder: Path) -> None:
    export = exported(case)
    path = folder / f"{case}.onnx"
    encoder = OnnxFile(export.encoder, {"items": ITEMS}, path)
    scorer = None
    if export.scorer is not None:
        width = encoder(histories(1, 1)).shape[1]
        inputs = {"user": Axes(("batch", width), torch.float32), "candidates": ITEMS}
        scorer = OnnxFile(export.scorer, inputs, folder / f"{case} scorer.onnx")
    for shape in SHAPES:
        items = histories(*shape)
        user = encoder(items)
        scores = scorer(user, everything(shape[0])) if scorer else product(export, user)
        expected = scores_of(case, items)
        known = np.isfinite(expected)
        assert scores[known] == pytest.approx(expected[known], rel=1e-5, abs=1e-5)
    assert not encoder(np.zeros((2, 5), np.int64)).any()
    assert [each.name for each in folder.iterdir() if case in each.name and ".data" in each.name] == []
    if scorer:
        assert np.isneginf(scorer(user[:1], np.array([[0, N_ITEMS + 1, -4]]))).all()


def test_context_is_an_input_of_its_own(folder: Path) -> None:
    inputs = {"items": ITEMS, "recent": ITEMS, "clock": Axes(("batch", N_CLOCK), torch.float32)}
    network = exported("two_tower").context_encoder
    assert network is not None
    encoder = OnnxFile(network, inputs, folder / "context.onnx")
    clock = np.random.default_rng(0).random((3, N_CLOCK), np.float32)
    for width, recent in ((1, 7), (7, 1), (60, 60)):
        encoder(histories(3, width), histories(3, recent, seed=1), clock)


class Huge(nn.Module):
    """A network that seems to have more parameters than fit into a file."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(1, 1).expand(MOST_BYTES // 4, 2))


def test_more_than_two_gigabytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"huge\.onnx would have 4\.3 GB, and a file"):
        write_onnx(Huge(), {"items": ITEMS}, "found", tmp_path / "huge.onnx")
