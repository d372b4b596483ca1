"""The stages that every night has, measured on a small data set."""

import pytest

from benchmarks import common_stages
from benchmarks.last_line import from_text
from models.interactions import Interactions
from tasks.datasets.synthetic.generate import generate_demo


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "small"
    generate_demo(folder, users=60, items=200, ratings=1500, tags=0, events=False)
    return folder


def test_every_stage_has_seconds_and_memory(benchmark, data, tmp_path):
    kept = tmp_path / "kept"
    last = benchmark(common_stages.main, "--folder", str(data), "--n", "5", "--snapshot", str(kept))
    figures = from_text(last)
    for stage in ("land", "clean", "utility", "score"):
        assert figures[f"{stage}_s"] >= 0
        assert figures[f"{stage}_mb"] > 50
    seen = Interactions.load(kept).seen
    assert (figures["users"], figures["items"], figures["entries"]) == (*seen.shape, seen.nnz)
    assert seen.nnz == 1500


def test_a_folder_for_matrices_must_be_new(refused, data, tmp_path):
    code, error = refused(common_stages.main, "--folder", str(data), "--snapshot", str(tmp_path))
    assert (code, error) == (2, f"--snapshot {tmp_path} exists. Name a new folder.\n")
