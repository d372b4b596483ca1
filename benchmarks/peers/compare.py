"""Runs each model in its environment and judges all lists by the same metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse

from benchmarks.peers.environments import FOLDER, HERE, python_of
from benchmarks.peers.shelf import VARIABLES, Peer
from models.evaluation.metrics import ranking_metrics
from tasks.errors import NightError

K = 20
ROOT = HERE.parents[1]
_SECONDS = 3600.0
"""After which a worker is ended; its row says so."""
_FEW_USERS = 1000


class Outcome(NamedTuple):
    """Time, memory and quality of one model; `fault` says why there are no figures.

    Attributes:
        version: of the library.
        fit_s, list_s: seconds of the fit, and of the lists of all judged users.
        peak_mb: largest memory of its process.
        recall, ndcg: at `K`, means over users.
        note: such as the epochs that fitted into the time.
    """

    peer: Peer
    version: str = ""
    fit_s: float = np.nan
    list_s: float = np.nan
    peak_mb: float = np.nan
    recall: float = np.nan
    ndcg: float = np.nan
    note: str = ""
    fault: str = ""

    def row(self) -> dict[str, str | float | None]:
        """Return the peer and its figures by name, None for those that are not there."""
        figures = {name: value for name, value in self._asdict().items() if name != "peer"}
        absent = {name for name, value in figures.items() if isinstance(value, float) and np.isnan(value)}
        return {**self.peer._asdict(), **figures, **dict.fromkeys(absent)}


def write_input(folder: Path, train: sparse.csr_array, test: sparse.csr_array) -> None:
    """Write what every worker reads.

    Args:
        folder: made if absent.
        train: (n_users, n_items), the interactions to learn from.
        test: (n_users, n_items), the later ones, which no worker sees.
    """
    folder.mkdir(parents=True, exist_ok=True)
    has_both = (np.diff(test.indptr) > 0) & (np.diff(train.indptr) > 0)
    sparse.save_npz(folder / "train.npz", train, compressed=False)
    np.save(folder / "users.npy", np.flatnonzero(has_both))


def compare(
    folder: Path, test: sparse.csr_array, peers: Iterable[Peer], *, seed: int, seconds: float = _SECONDS,
    environments: Path = FOLDER,
) -> Iterator[Outcome]:  # fmt: skip
    """Yield the outcome of each model, as soon as it is there.

    Args:
        folder: of `write_input`; results go below it.
        test: what lists are judged by.
        peers: the models.
        seed: of the fits.
        seconds: after which a model is ended.
        environments: where the libraries are installed.
    """
    for peer in peers:
        out = folder / f"{peer.library} {peer.model}"
        try:
            if peer.library == "ours":
                _compile(peer, folder, seed, seconds)
            _run(peer, python_of(peer.library, environments), folder, out, seed, seconds)
        except NightError as fault:
            yield Outcome(peer, fault=str(fault))
            continue
        yield judged(peer, out, test)


def _compile(peer: Peer, folder: Path, seed: int, seconds: float) -> None:
    """Run our worker on a few users first: it compiles its kernels on a machine's first run, and keeps them.

    Raises:
        NightError: as `_run`.
    """
    few = folder / "few"
    if not few.exists():
        train = sparse.csr_array(sparse.load_npz(folder / "train.npz"))
        rows = sparse.csr_array(train[: max(_FEW_USERS, train.shape[0] // 20)])
        write_input(few, rows, rows)
    _run(peer, python_of(peer.library), few, few / peer.model, seed, seconds)


def judged(peer: Peer, out: Path, test: sparse.csr_array) -> Outcome:
    """Return the outcome of a model whose worker wrote into `out`."""
    measured = json.loads((out / "measured.json").read_text(encoding="utf-8"))
    users = np.load(out.parent / "users.npy")
    per_user = ranking_metrics(np.load(out / "lists.npy"), test[users], [K])
    means = {name: float(per_user[f"{name}@{K}"].mean()) for name in ("recall", "ndcg")}
    return Outcome(peer, **means, **measured)


def _run(peer: Peer, python: Path, folder: Path, out: Path, seed: int, seconds: float) -> None:
    """Run a worker.

    Raises:
        NightError: it failed, with its last words, or took too long.
    """
    worker = HERE / "workers" / f"{peer.library}_worker.py"
    environment = {**os.environ, "LIMIT_S": str(seconds / 6), **VARIABLES.get(peer.library, {})}
    environment.pop("PYTHONPATH", None)
    if peer.library == "ours":
        environment["PYTHONPATH"] = str(ROOT)
    call = [python, worker, folder, peer.model, out, str(K), str(seed)]
    try:
        ran = subprocess.run(  # noqa: S603  (our own worker)
            call, env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise NightError(f"not done in {seconds:,.0f} s") from None
    if ran.returncode:
        print(ran.stderr, file=sys.stderr)
        killed = "killed, probably for memory" if ran.returncode < 0 else ""
        raise NightError(killed or ran.stderr.strip().splitlines()[-1])
