"""Workers of two installed libraries are judged alike; one that fails has a row that says why."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from benchmarks.peers import compare as module
from benchmarks.peers.compare import Outcome, compare, write_input
from benchmarks.peers.data_part import by_pandas
from benchmarks.peers.environments import python_of
from benchmarks.peers.shelf import PEERS, Peer, chosen
from tasks.errors import UsageError


@pytest.fixture(scope="module")
def likes() -> tuple[sparse.csr_array, sparse.csr_array]:
    """Two groups of users, each with items of its own; a fifth of each user's likes are held out."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 40)
    liked = rng.random((80, 60)) < np.where((np.arange(60) % 2) == group[:, None], 0.5, 0.02)
    later = liked & (rng.random(liked.shape) < 0.2)
    later[7] = False  # a user who is not judged
    return tuple(sparse.csr_array(part, dtype=np.float32) for part in (liked & ~later, later))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every library runs in this Python, where some of them are installed."""
    monkeypatch.setattr(module, "python_of", lambda *_: Path(sys.executable))


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_libraries_are_judged_alike(tmp_path: Path, likes: tuple[sparse.csr_array, sparse.csr_array]) -> None:
    train, test = likes
    write_input(tmp_path / "in", train, test)
    users = np.load(tmp_path / "in/users.npy")
    assert 7 not in users
    assert len(users) > 60
    peers = [Peer("ours", "item_knn", "", ""), Peer("implicit", "item-item cosine", "", "")]
    found = list(compare(tmp_path / "in", test, peers, seed=1))
    assert [each.fault for each in found] == ["", ""]
    for each in found:
        assert 0.6 < each.recall <= 1, "items of the own group come first"
        assert min(each.fit_s, each.list_s, each.peak_mb) > 0
        assert each.version
        lists = np.load(tmp_path / "in" / f"{each.peer.library} {each.peer.model}" / "lists.npy")
        assert lists.shape == (len(users), 20)
        row, rank = np.nonzero(lists >= 0)
        assert not train[users[row], lists[row, rank]].any(), "no training item is listed"


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_failed_and_slow_workers_have_a_row(
    tmp_path: Path, likes: tuple[sparse.csr_array, sparse.csr_array]
) -> None:
    write_input(tmp_path, *likes)
    (failed,) = compare(tmp_path, likes[1], [Peer("implicit", "no such model", "", "")], seed=1)
    assert "KeyError" in failed.fault
    assert np.isnan(failed.recall)
    row = failed.row()
    assert (row["library"], row["recall"], row["fault"]) == ("implicit", None, failed.fault)
    (slow,) = compare(tmp_path, likes[1], [Peer("ours", "popularity", "", "")], seed=1, seconds=0.01)
    assert slow == Outcome(slow.peer, fault="not done in 0 s")


def test_every_library_has_a_worker_and_pinned_requirements() -> None:
    folder = Path(module.__file__).parent
    assert python_of("ours") == Path(sys.executable)
    for library in {peer.library for peer in PEERS}:
        assert (folder / "workers" / f"{library}_worker.py").is_file()
        if library != "ours":
            lines = (folder / "requirements" / f"{library}.txt").read_text().splitlines()
            assert all("==" in line for line in lines if not line.startswith("#"))
    assert {peer.library for peer in chosen("ours, implicit")} == {"ours", "implicit"}
    with pytest.raises(ValueError, match="'surprise' is not compared: ours, implicit"):
        chosen("surprise")


def test_pandas_cuts_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.data_part.python_of", lambda *_: Path(sys.executable))
    with pytest.raises(UsageError, match=r"There is no .*ratings\.csv"):
        by_pandas(tmp_path, tmp_path / "out")
    rows = [f"{i % 7 + 1},{i % 5 + 1},{(i % 10 + 1) / 2},{i}" for i in range(100)]
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]))
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,1,dark,5\n1,1,dark,6\n")
    measured = by_pandas(tmp_path, tmp_path / "out")
    assert (measured["ratings"], measured["tags"]) == (35, 1), "the last of each pair"
    assert json.loads((tmp_path / "out/measured.json").read_text()) == measured
    parts = {n: sparse.load_npz(tmp_path / f"out/{n}.npz") for n in ("rating", "positive", "held_out", "all")}
    assert parts["all"].nnz == 35
    assert (parts["rating"].nnz, parts["held_out"].nnz) == (31, 4), "a tenth is later, and all of it is liked"
    assert parts["positive"].data.min() >= 3.5
